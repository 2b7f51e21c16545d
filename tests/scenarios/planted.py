"""Planted secrets, and the search for them in whatever a test can see of a process.

Each credential holds a word of letters and digits that stands nowhere else and that no encoding of
a text changes; in base64 it is searched at each of its three alignments.
"""

from __future__ import annotations

import base64
import traceback
from pathlib import Path

import pytest

WORDS = {
    "EARTHDATA_TOKEN": "pl4ntedTokenOfEarthdata",
    "EARTHDATA_PASSWORD": "pl4ntedWordOfEarthdata",
    "PPS_PASSWORD": "pl4ntedWordOfPps",
    "KMA_API_KEY": "pl4ntedKeyOfKma",
    "MRC_API_KEY": "pl4ntedKeyOfMrc",
    "records_url": "pl4ntedWordOfTables",
    "notice_webhook": "pl4ntedPathOfWebhook",
    "notice_mail_password": "pl4ntedWordOfMail",
    "signing_keys_pem": "pl4ntedTextOfKeys",
    "https_proxy": "pl4ntedWordOfProxy",
}
"""The word of each secret."""
ODD = {"TOKEN": "+/~.=", "KEY": "/ +%&=#", "PASSWORD": " /%&:+\"'\\@"}
"""What stands before and after the word, by the kind of the credential."""
CREDENTIALS = {
    name: f"{ODD[name.rpartition('_')[2]]}{word}{ODD[name.rpartition('_')[2]]}".strip()
    for name, word in WORDS.items()
    if name.isupper()
}
NAMES = {"EARTHDATA_USERNAME": "me", "PPS_USERNAME": "me@example.org"}


def find_planted(*texts: str | bytes) -> set[str]:
    """Names of the secrets that texts hold, plain or in base64."""
    whole = b"\n".join(text.encode(errors="replace") if isinstance(text, str) else text
                       for text in texts)  # fmt: skip
    return {name for name, word in WORDS.items() if any(form in whole for form in forms(word))}


def forms(word: str) -> set[bytes]:
    """A word as it is, and the part of its base64 that does not depend on what stands around it."""
    coded = {base64.b64encode(b"x" * shift + word.encode())[4 * bool(shift) : -4]
             for shift in range(3)}  # fmt: skip
    return {word.encode(), *coded}


def describe(error: BaseException | None) -> str:
    """All that a log may show of an exception and of its causes."""
    told = []
    while error is not None:
        told += [str(error), repr(error), repr(error.args)]
        told += traceback.format_exception(error)
        error = error.__cause__
    return "\n".join(told)


def read_files(folder: Path) -> list[bytes]:
    """Names and contents of all files below a folder: stores, tables, what came, what is told."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path).encode() for path in paths] + [path.read_bytes() for path in paths]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All that was logged, with its arguments, but for what the servers of the tests log."""
    records = [record for record in caplog.records if record.name != "werkzeug"]
    return [f"{record.getMessage()} {vars(record)!r}" for record in records]


def set_credentials(monkeypatch: pytest.MonkeyPatch, home: Path, *names: str) -> None:
    """Put credentials into the environment, and no others."""
    monkeypatch.setenv("HOME", str(home))
    for name, value in (NAMES | CREDENTIALS).items():
        if name in names:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name, raising=False)
