from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.alerts.decision import Decision
from pipeline.alerts.drought_paragraphs import class_of_event
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Phase
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.alerts.text import compose
from tests.alerts.alert_cases import NAN, T0, drought, dry_spell
from tests.alerts.cap_cases import send
from tests.alerts.notice_cases import note

PHASES: dict[Phase, str] = {
    "onset": "The drought begins.",
    "worsening": "The drought gets worse.",
    "partial_recovery": "The drought eases in part; it is not over.",
    "full_recovery": "Rain and soil have recovered; stores of water may still be low.",
}


def describe(decision: Decision, *, phase: Phase | None = None) -> list[str]:
    notice = note(decision, status="Actual", phase=phase)
    return compose(notice, language="en").description.splitlines()


def test_a_drought_says_what_it_means_for_water_fields_and_animals() -> None:
    lines = describe(drought(dry_spell(0.9, 0.7, 0.2, now=2, spi3=-1.46)), phase="worsening")
    assert lines == [
        (
            "What: Level 2 of 3 (Warning: prepare). At present: severe drought (D2). Water may run "
            "short; crops may be lost; animals may lack water and pasture."
        ),
        "Where: Vientiane, 24 km around, this country.",
        (
            "When: Rain from 22 May to 19 August is compared with that of the same months of other "
            "years. This message holds until 22 August, 13:30 local time."
        ),
        "How sure: It is observed. Chance of class D3 or worse in 4 weeks: 20 %.",
        "Now: The drought gets worse. Class: severe drought (D2).",
        "Automatic forecast, not an official warning.",
        "For hydrologists:",
        "Chance of class D2 or worse: 70 % in 1 week, 70 % in 4 weeks, 70 % in 12 weeks.",
        (
            "Rain of the last three months, standardised (SPI-3): -1.5. Soil moisture is at "
            "percentile 50 of its season. Vegetation health index: 40 of 100."
        ),
    ]


def test_a_drought_that_may_come_is_told_with_its_one_chance() -> None:
    lines = describe(drought(dry_spell(0.7)))
    assert "Within 4 weeks may come: moderate drought (D1)." in lines[0]
    assert lines[2].startswith("When: It may begin by 27 August.")
    assert lines[3] == "How sure: Chance of class D1 or worse in 4 weeks: 70 %."
    assert lines[4] == "Now: No drought class at present."


def test_nothing_is_worse_than_d3_and_d4_is_never_claimed() -> None:
    decision = drought(dry_spell(0.9, 0.9, 0.9, now=4))
    lines = describe(decision)
    assert "extreme drought (D3 or worse)" in lines[0]
    assert lines[3] == "How sure: It is observed."
    message, _ = send(decision)
    assert message is not None
    assert "D4" not in message.content.decode()


def test_a_class_that_rests_on_a_substitute_is_not_called_observed() -> None:
    spell = replace(dry_spell(0.9, 0.9, now=2, spi3=-0.6), substitutes=("smap_l3",))
    lines = describe(drought(spell))
    assert "observed" not in lines[3]
    assert lines[3].startswith("How sure: Chance of class D3 or worse in 4 weeks:")


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_is_told_in_every_language(phase: Phase) -> None:
    decision = drought(dry_spell(0.9, 0.7, now=2))
    assert PHASES[phase] in describe(decision, phase=phase)[4]
    for language in LANGUAGES:
        text = compose(note(decision, phase=phase), language=language).description
        assert read_templates(language)["phase"][phase] in text
    assert all(word not in "\n".join(describe(decision)) for word in PHASES.values())


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    before = drought(dry_spell(0.7, 0.6, now=2)).state
    lines = describe(drought(None, number=1, state=before))
    assert "It cannot be assessed at present" in lines[0]
    assert "How likely it is cannot be said at present." in lines[3]
    assert lines[4] == "Now: Missing evidence: the present drought class."
    climatology = describe(drought(dry_spell(0.9, now=1, tier="climatology", spi3=NAN, soil=NAN)))
    assert not any("Chance" in line for line in climatology)


def test_since_when_it_lasts_is_told() -> None:
    decision = replace(drought(dry_spell(0.7, 0.6, now=2)), onset=T0 - timedelta(days=40))
    assert describe(decision)[2].startswith("When: Since 11 July.")


def test_an_index_has_the_decimal_sign_of_the_language() -> None:
    decision = drought(dry_spell(0.6, now=1, spi3=-1.5))
    for language, expected in (("en", "(SPI-3): -1.5."), ("vi", "(SPI-3): -1,5.")):
        assert expected in compose(note(decision), language=language).description


def test_the_class_of_an_event_is_that_at_present_once_it_is_there() -> None:
    assert class_of_event(dry_spell(now=1), Level.WARNING) == (2, False)
    assert class_of_event(dry_spell(now=3), Level.WATCH) == (3, True)
