"""Runs one engine and sees to it that the engine never outlives the process that asked for it.

Started as a script, in a process group of its own: `python keeper.py GRACE_S PROGRAM ARGUMENT...`. It ends the whole
group when the engine ends, when it gets SIGTERM, or when its standard input closes, which the system does whenever the
process at the other end is gone, be it by kill -9.

Why not PR_SET_PDEATHSIG: it exists on Linux only, needs code between fork and exec (unsafe beside threads), and fires
when the *thread* that started the child ends. Why not atexit alone: it does not run after a signal.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Run the engine to its end, then end whatever is left in the group, this process included."""
    grace_s, *command = sys.argv[1:]
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    try:
        engine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")

    def when_orphaned() -> None:
        sys.stdin.buffer.read()
        ending.set()

    def when_ended() -> None:
        engine.wait()
        ending.set()

    for watch in (when_orphaned, when_ended):
        threading.Thread(target=watch, daemon=True).start()
    ending.wait()
    if engine.poll() is None:
        os.killpg(0, signal.SIGTERM)
    try:
        sys.stdout.write(f"ended with exit code {engine.wait(timeout=float(grace_s))}\n")
    except subprocess.TimeoutExpired:
        sys.stdout.write(f"killed after {grace_s} s of not ending\n")
    sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
