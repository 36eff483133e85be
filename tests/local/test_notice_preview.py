"""``jifen notice-preview``: files to look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jifen.domain.notices import NoticeKind
from jifen.domain.wording import LANGUAGES
from local.cli import main


def test_every_message_is_written_in_every_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind and a digest: mail as page and text, text message, push message."""
    assert main(["notice-preview", "--out", str(tmp_path / "new"), "--json"]) == 0

    files = json.loads(capsys.readouterr().out)["files"]
    assert files == sorted(path.name for path in (tmp_path / "new").iterdir())
    kinds = [*map(str, NoticeKind), "digest"]
    forms = ("email.html", "email.txt", "push.txt", "sms.txt")
    assert {f"{kind}.{language}.{form}" for kind in kinds for language in LANGUAGES for form in forms} == set(files)
    assert "12.30元" in (tmp_path / "new" / "points.balance_reached.zh.email.txt").read_text(encoding="utf-8")
    assert "GSM-7" in (tmp_path / "new" / "digest.en.sms.txt").read_text(encoding="utf-8")


def test_what_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands in the way, or there is no such currency: a word for it, and the exit code."""
    (tmp_path / "file").write_text("")

    assert main(["notice-preview", "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["notice-preview", "--out", str(tmp_path), "--currency", "yuan"])
    assert ended.value.code == 2
