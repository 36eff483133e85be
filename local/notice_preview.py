"""``jifen notice-preview``: every message in every language, as files to look at in a browser.

DIR/points.expiring.en.email.html  ….email.txt  ….sms.txt  ….push.txt      each kind, and a digest of all of them
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from jifen.domain import sms
from jifen.domain.mail import letter
from jifen.domain.money import CURRENCIES
from jifen.domain.notice_samples import AVAILABLE, sample
from jifen.domain.notices import Notice, NoticeKind
from jifen.domain.wording import LANGUAGES, push, text_message

REFUSED = 1

LINK = "https://shop.example/unsubscribe"


def add_notice_preview(commands: Any) -> None:
    """Add the command to those of ``jifen``."""
    parser = commands.add_parser(
        "notice-preview",
        help="write every message in every language to files, to look at",
        description="Writes mails as HTML and text, text messages with their segments and push messages, of invented "
        "facts: one of each kind, and a digest of all. Nothing is sent.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go; made if missing")
    parser.add_argument("--currency", default="CNY", type=_currency, help="of amounts of money (default: CNY)")
    parser.add_argument("--json", action="store_true", help="print the names of the files as JSON, and nothing else")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        names = write(options.out, date.today(), options.currency)  # noqa: DTZ011 - the day on this desk
    except OSError as failure:
        print(f"jifen notice-preview: {options.out} cannot be written: {failure.strerror}", file=sys.stderr)
        return REFUSED
    print(json.dumps({"files": names}) if options.json else f"{len(names)} files in {options.out}")
    return 0


def _currency(text: str) -> str:
    if text not in CURRENCIES:
        message = f"{text} is no currency such as CNY"
        raise argparse.ArgumentTypeError(message)
    return text


def write(folder: Path, today: date, currency: str) -> list[str]:
    """Write the files; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    each = [Notice("n" * 32, kind, "sample", sample(kind, today, currency)) for kind in NoticeKind]
    messages: dict[str, list[Notice]] = {str(one.kind): [one] for one in each} | {"digest": each}
    files: dict[str, str] = {}
    for language in LANGUAGES:
        for name, notices in messages.items():
            mail = letter(notices, AVAILABLE, language, LINK)
            text = text_message(notices, AVAILABLE, language)
            length = sms.segments(text)
            files |= {
                f"{name}.{language}.email.html": mail.html,
                f"{name}.{language}.email.txt": f"{mail.subject}\n\n{mail.text}",
                f"{name}.{language}.sms.txt": f"{text}\n\n{length.encoding}, {length.units} units, "
                f"{length.segments} segments\n",
                f"{name}.{language}.push.txt": "\n".join(push(notices, language)) + "\n",
            }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return sorted(files)
