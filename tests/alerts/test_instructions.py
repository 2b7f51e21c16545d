from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.alerts import instructions
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Ending, Notice
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.geography import reference_tables
from pipeline.geography.reference_check import check_reference
from pipeline.geography.reference_schema import LONGEST_ACTION
from tests.alerts.alert_cases import drought, dry_spell, flood, hold
from tests.alerts.notice_cases import every_notice, note

HEADER = "city,hazard,level,language,text,source,as_of"
ENGLISH = read_templates("en")
DRY = drought(dry_spell(0.7, 0.6, now=2))
ENDINGS: tuple[Ending, ...] = ("all_clear", "monitor", "not_known")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of an agency whose actions.csv is read."""
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(tmp_path))
    reference_tables.tables.cache_clear()
    yield tmp_path / "actions.csv"
    reference_tables.tables.cache_clear()


def tell(notice: Notice, language: str = "en") -> list[str]:
    return instructions.compose_instruction(notice, read_templates(language))


def test_a_warning_says_what_to_do_and_who_goes_first() -> None:
    assert tell(note(flood(0.6, 0.6))) == [
        "Move people, animals and goods out of low ground near the river in good time.",
        "Do not walk or drive through flood water.",
        "Help those first who need more time: old and ill people, children, pregnant women.",
        "Follow the instructions of your national and provincial authorities.",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_from_warning_on_names_who_needs_more_time(language: str) -> None:
    templates = read_templates(language)["instruction"]
    for notice in every_notice():
        sentences = tell(notice, language)
        first = templates[f"{notice.decision.hazard}_first"]
        told = first in sentences
        assert told is (notice.event is not Level.WATCH and notice.ending is None)
        assert 2 <= len(sentences) <= instructions.MOST_SENTENCES
        assert sentences[-1] == templates["authority"]
        assert len(set(sentences)) == len(sentences)


def test_each_english_sentence_is_one_and_begins_with_what_to_do() -> None:
    for key, sentence in ENGLISH["instruction"].items():
        assert len(re.findall(r"[.!?]", sentence)) == 1, key
        assert sentence.split()[0] in {
            "Follow", "Check", "Move", "Do", "Go", "Keep", "Stay", "Help", "Watch", "Plan", "Save",
            "Adapt", "Use", "Put", "Give", "Return", "Ask",
        }  # fmt: skip


@pytest.mark.parametrize("event", RAISED)
def test_a_held_level_has_its_own_instruction(event: Level) -> None:
    held = tell(note(hold(flood(0.9, 0.9, 0.9)), event=event))
    forecast = tell(note(replace(flood(0.9, 0.9, 0.9), held=True), event=event))
    assert forecast[0] == ENGLISH["instruction"][f"flood_{event}_1"], "it has not come yet"
    assert held[0] == "Stay away from the water and wait for your authorities."
    assert not {ENGLISH["instruction"][f"flood_{event}_1"]} & set(held)
    assert tell(note(hold(DRY)))[0].startswith("Go on saving water")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_never_says_that_all_is_as_before(ending: Ending, language: str) -> None:
    normal = {
        "en": "normal", "km": "ធម្មតា", "lo": "ປົກກະຕິ", "th": "ปกติ", "vi": "bình thường",
        "my": "ပုံမှန်", "zh": "正常",
    }  # fmt: skip
    templates = read_templates(language)["instruction"]
    for decision in (flood(), DRY):
        sentences = tell(note(decision, event=Level.WARNING, ending=ending), language)
        assert not any(normal[language] in sentence for sentence in sentences)
        assert (templates["not_known"] in sentences) is (ending == "not_known")
    river = tell(note(flood(), event=Level.WARNING, ending=ending), language)
    assert river[:2] == [templates["flood_over"], templates["flood_return"]]


def test_the_city_s_own_text_goes_before_the_general_one(own: Path) -> None:
    own.write_text(
        f"{HEADER}\n"
        "default,flood,warning,en,Go to the school on the hill.,DDMCC,2026\n"
        "vientiane,flood,warning,en,Go to That Luang.,DDMCC,2026\n"
        "vientiane,flood,warning,lo,ໄປທາດຫຼວງ.,DDMCC,2027-01-01\n"
        "pakse,flood,watch,en,Look at the pole.,DDMCC,2026\n",
        encoding="utf-8",
    )
    warning = note(flood(0.6, 0.6))
    assert tell(warning)[:2] == [
        "Go to That Luang.",
        "Move people, animals and goods out of low ground near the river in good time.",
    ]
    assert len(tell(warning)) == instructions.MOST_SENTENCES
    assert tell(warning, "lo")[0] == read_templates("lo")["instruction"]["flood_warning_1"]
    pakse = replace(warning.decision, city=replace(warning.decision.city, id="pakse"))
    assert tell(replace(warning, decision=pakse))[0] == "Go to the school on the hill."
    assert tell(note(flood(0.3)))[0] == "Follow the next forecasts."


def test_the_project_has_no_text_of_a_city() -> None:
    assert reference_tables.edition().rows("actions.csv") == ()


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("vientiane,flood,none,en,Go.,DDMCC,2026", "level: expected one of watch"),
        ("vientiane,flood,watch,fr,Go.,DDMCC,2026", "language: expected one of en, km"),
        ("vienna,flood,watch,en,Go.,DDMCC,2026", "city: expected a row of cities.csv"),
        ("vientiane,flood,watch,en,=1+1,DDMCC,2026", "text: expected text like"),
        (
            f"vientiane,flood,watch,en,{'x' * (LONGEST_ACTION + 1)},DDMCC,2026",
            "text: expected text like",
        ),
        ("vientiane,flood,watch,en,Go.,,2026", "source: expected a value"),
    ],
)
def test_a_faulty_text_of_a_city_is_named(tmp_path: Path, row: str, fault: str) -> None:
    (tmp_path / "actions.csv").write_text(f"{HEADER}\n{row}\n", encoding="utf-8")
    [finding] = check_reference(tmp_path)
    assert fault in str(finding)
