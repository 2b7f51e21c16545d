from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.pages.edition import Edition, read_edition
from tests.pages.page_cases import (
    BANK,
    CITIES,
    FLOOD,
    ISSUED,
    NO_GAUGE,
    change_tree,
    gauge_of,
)


def test_a_tree_is_read(edition: Edition) -> None:
    assert (edition.issue_time, edition.status) == (ISSUED, "Exercise")
    assert set(edition.cities) == set(CITIES)
    assert edition.gauges[gauge_of(BANK).code]["id"] == BANK
    assert edition.reports[FLOOD]["flooded"] == 3


@pytest.mark.parametrize("language", ["en", "km"])
def test_a_message_is_read_in_a_language(edition: Edition, language: str) -> None:
    identifier = edition.cities[FLOOD]["flood"]["identifier"]
    message = edition.message(identifier, language)
    assert message is not None
    assert len(message.instructions) == 4
    assert not message.instructions[0].startswith(("EXERCISE", "សមយុទ្ធ"))
    assert len(message.lines) > 5
    assert edition.find_proof(identifier) is not None


def test_what_has_no_message_has_none(edition: Edition) -> None:
    assert edition.message(None, "en") is None
    assert edition.message("mekong-1", "en") is None
    assert edition.message(edition.cities[FLOOD]["flood"]["identifier"], "fr") is None
    assert edition.find_proof(None) is None
    assert edition.cities[NO_GAUGE]["gauge"] is None


def test_without_a_tree_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a published tree"):
        read_edition(tmp_path)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"cities": 3}', b'{"status": "Actual", "cities": {"pakse": {}}}']
)
def test_reports_that_are_damaged_or_of_another_status_are_none(
    edition: Edition, tmp_path: Path, content: bytes
) -> None:
    published = change_tree(edition, tmp_path).folder.parents[1]
    (published / "reports.json").write_bytes(content)
    assert read_edition(published).reports == {}
