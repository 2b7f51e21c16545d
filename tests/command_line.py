"""The command line as a user runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline import __main__ as cli


def run(
    monkeypatch: pytest.MonkeyPatch, data: Path, *arguments: str, **environment: str
) -> int | str | None:
    """Run a command with a data folder and variables; return its exit code."""
    monkeypatch.setenv("MEKONG_DATA_DIR", str(data))
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "argv", ["mekong", *arguments])
    try:
        cli.main()
    except SystemExit as done:
        return done.code
    return 0
