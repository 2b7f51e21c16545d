"""Codes of remarks: each is tested where it is given."""

from __future__ import annotations

import re
from typing import get_args

from pipeline.remarks import RemarkCode
from pipeline.settings import ROOT


def test_every_code_is_given_and_tested() -> None:
    codes = get_args(RemarkCode)
    assert len(codes) == len(set(codes)) == 23
    for folder in ("pipeline", "tests"):
        source = "\n".join(
            path.read_text(encoding="utf-8")
            for path in sorted((ROOT / folder).rglob("*.py"))
            if path.name not in {"remarks.py", "test_remarks.py"}
        )
        named = {code for code in codes if re.search(rf'"{code}"', source)}
        assert named == set(codes), folder
