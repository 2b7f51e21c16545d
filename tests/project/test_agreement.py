"""The indices beside other implementations, and the table of it in the guide."""

from __future__ import annotations

import re

import pytest

from pipeline.settings import ROOT


@pytest.mark.slow
def test_where_definitions_agree_so_do_the_indices_and_the_guide_says_so() -> None:
    from docs import agreement, make

    cases = list(agreement.cases())
    same = [case for case in cases if case.agrees]
    assert {case.index.split(",")[0] for case in same} >= {"SPI", "SPEI", "SSI", "SDI"}
    for case in same:
        assert case.difference < agreement.TOLERANCE, (case.index, case.peer, case.difference)
    differing = [case for case in cases if not case.agrees]
    assert all(case.words for case in differing)
    text = (ROOT / "docs" / "indices.md").read_text(encoding="utf-8")
    assert make.between(text, "agreement", agreement.table(cases)) == text, "python3 make.py docs"


def test_the_functions_of_the_guide_are_in_their_modules() -> None:
    text = (ROOT / "docs" / "indices.md").read_text(encoding="utf-8")
    named = re.findall(r"\| ((?:`\w+`(?:, )?)+) in \[[\w.]+\]\(\.\./([\w/.]+)\)", text)
    assert len(named) >= 15
    for functions, module in named:
        source = (ROOT / module).read_text(encoding="utf-8")
        for function in re.findall(r"`(\w+)`", functions):
            assert f"\ndef {function}(" in source, (function, module)
