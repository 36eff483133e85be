"""Runs one engine and sees to it that the engine never outlives the process that asked for it.

Started as a script, in a process group of its own: `python keeper.py GRACE_S PROGRAM ARGUMENT...`. It ends the whole
group when the engine ends, when it gets SIGTERM, or when its standard input closes, which the system does whenever the
process at the other end is gone, be it by kill -9.

Why not PR_SET_PDEATHSIG: it exists on Linux only, needs code between fork and exec (unsafe beside threads), and fires
when the *thread* that started the child ends. Why not atexit alone: it does not run after a signal.
"""

import os
import select
import signal
import subprocess
import sys


def main() -> None:
    """Run the engine to its end, then end whatever is left in the group, this process included."""
    grace_s, *command = sys.argv[1:]
    signals = _signal_pipe()
    try:
        engine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")
    _wait_for_a_reason_to_end(engine, signals)
    if engine.poll() is None:
        os.killpg(0, signal.SIGTERM)
    try:
        sys.stdout.write(f"ended with exit code {engine.wait(timeout=float(grace_s))}\n")
    except subprocess.TimeoutExpired:
        sys.stdout.write(f"killed after {grace_s} s of not ending\n")
    sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


def _signal_pipe() -> int:
    """Give a descriptor on which each SIGTERM and SIGCHLD is one byte.

    The handlers themselves do nothing: one that took a lock could meet the main program holding it. Nor are the signals
    ignored, which a program started from here would inherit.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def _wait_for_a_reason_to_end(engine: "subprocess.Popen[bytes]", signals: int) -> None:
    while engine.poll() is None:
        readable, _, _ = select.select([sys.stdin, signals], [], [])
        if sys.stdin in readable or signal.SIGTERM in os.read(signals, 64):
            return


if __name__ == "__main__":
    main()
