from __future__ import annotations

from pathlib import Path

from pipeline.pages.edition import Edition
from pipeline.pages.hazards import describe_hazard, list_hazards
from tests.pages.page_cases import BOTH, DROUGHT, FLOOD, UNKNOWN, change_city, change_tree


def levels(edition: Edition, city: str) -> list[tuple[str, str]]:
    hazards = list_hazards(edition, edition.cities[city], "en")
    return [(hazard["hazard"], hazard["level"]) for hazard in hazards]


def test_the_graver_hazard_comes_first(edition: Edition) -> None:
    assert levels(edition, FLOOD) == [("flood", "emergency"), ("drought", "none")]
    assert levels(edition, DROUGHT)[0][0] == "drought"
    assert levels(edition, UNKNOWN) == [("flood", "unknown"), ("drought", "unknown")]
    assert levels(edition, BOTH)[0][0] == "flood", "of two of a level the flood"
    assert {name for name, level in levels(edition, BOTH) if level != "none"} == {
        "flood", "drought",
    }  # fmt: skip


def test_what_is_not_known_comes_before_what_is_calm(edition: Edition) -> None:
    calm = change_city(edition, UNKNOWN, flood={"level": "none", "level_in_force": "none"})
    assert levels(calm, UNKNOWN) == [("drought", "unknown"), ("flood", "none")]


def test_a_message_unlike_its_tree_loses_its_own_mark(edition: Edition, tmp_path: Path) -> None:
    """A test in a tree that is an exercise: its mark stands at the level, not in its text."""
    city = edition.cities[FLOOD]
    path = f"cap/en/{city['flood']['identifier']}.xml"
    text = (edition.folder / path).read_text(encoding="utf-8")
    text = text.replace("<status>Exercise<", "<status>Test<").replace("EXERCISE.", "TEST.")
    name = path.removesuffix(".xml").replace("/", "__") + "_xml"
    changed = change_tree(edition, tmp_path, **{name: text.encode()})
    test = change_city(changed, FLOOD, flood={"status": "Test"})
    told = describe_hazard(test, test.cities[FLOOD], "flood", "en")
    assert told["word"] == "TEST Emergency"
    assert told["headline"].startswith("Flood, level 3 of 3")
    assert told["do"][0] == "Go to high ground now and stay there."
