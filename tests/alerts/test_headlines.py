from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.alerts import headlines
from pipeline.alerts.decision import Decision, Status
from pipeline.alerts.evidence import Doubt, Rain
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Ending
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.alerts.text import compose
from pipeline.choices import Product
from tests.alerts.alert_cases import NAN, T0, drought, dry_spell, flood, pluvial
from tests.alerts.notice_cases import decide, every_notice

STATUSES: tuple[Status, ...] = ("Exercise", "Test")
PRODUCTS: tuple[Product, ...] = ("warning", "advisory", "vigilance")
ENDINGS: dict[Ending, str] = {
    "all_clear": "Flood advisory for Vientiane has ended.",
    "monitor": "Flood advisory for Vientiane has ended. Stay alert.",
    "not_known": "Flood advisory for Vientiane: not known any more. This is no all-clear.",
}
FALLING = flood(0.9, 0.9, 0.9, stage_m=12.67)
assert FALLING.river is not None
FALLING = replace(
    FALLING,
    river=replace(
        FALLING.river,
        leads=tuple(replace(lead, q50_m=12.6 - lead.days / 5) for lead in FALLING.river.leads),
    ),
)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (
            flood(0.3),
            (
                "Flood warning, level 1 of 3: Vientiane. "
                "Highest 9.70 m expected on 27 August, 1.80 m below alarm stage."
            ),
        ),
        (
            flood(0.6, 0.6, stage_m=11.9),
            (
                "Flood warning, level 2 of 3: Vientiane. "
                "Highest 12.60 m expected on 27 August, 0.10 m above flood stage."
            ),
        ),
        (
            FALLING,
            (
                "Flood warning, level 3 of 3: Vientiane. "
                "Last reading 12.67 m, 0.17 m above flood stage."
            ),
        ),
        (
            flood(0.9, 0.9, 0.9, stage_m=11.6, tier="climatology"),
            (
                "Flood warning, level 1 of 3: Vientiane. "
                "Last reading 11.60 m, 0.10 m above alarm stage."
            ),
        ),
        (pluvial(6.0), "Flood warning, level 1 of 3: Siem Reap. Rain as heavy as once in 6 years."),
        (
            drought(dry_spell(0.7, 0.6, now=2)),
            "Drought warning, level 2 of 3: Vientiane. At present severe drought.",
        ),
        (
            drought(dry_spell(0.9, 0.9, 0.9, now=4)),
            "Drought warning, level 3 of 3: Vientiane. At present extreme drought.",
        ),
        (
            drought(dry_spell(0.7)),
            "Drought warning, level 1 of 3: Vientiane. Within 4 weeks moderate drought may come.",
        ),
    ],
)
def test_a_headline_says_what_where_and_the_highest_against_a_mark(
    decision: Decision, expected: str
) -> None:
    line = headlines.compose_headline(
        decision, event=decision.in_force, status="Actual", product="warning"
    )
    assert line == expected


def test_rain_is_the_headline_only_where_the_river_says_nothing() -> None:
    heavy = Rain(return_period_years=25.0, pluvial_index=NAN)
    wet = flood(rain=heavy)
    assert "Rain as heavy as once in 25 years" in headlines.compose_headline(
        wet, event=Level.WATCH, status="Actual", product="warning"
    )
    high = flood(stage_m=12.6, rain=heavy)
    assert "0.80 m above flood stage" in headlines.compose_headline(
        high, event=Level.EMERGENCY, status="Actual", product="warning"
    )


def test_an_old_reading_is_no_highest_stage() -> None:
    old = flood(0.9, 0.9, 0.9, age_h=50.0, stage_m=13.0)
    assert old.river is not None
    leads = tuple(replace(lead, q50_m=12.0) for lead in old.river.leads)
    line = headlines.compose_headline(
        replace(old, river=replace(old.river, leads=leads)), event=Level.EMERGENCY, status="Actual"
    )
    assert "Highest 12.00 m expected" in line


def test_one_reading_that_is_not_confirmed_is_the_headline() -> None:
    doubt = Doubt(kind="unconfirmed", lowest_m=14.0, highest_m=14.0, time=T0)
    line = headlines.compose_headline(
        decide("pakse", doubt=doubt, p=(0.1, 0.0, 0.0)), event=Level.WATCH, status="Test"
    )
    assert line == "TEST. Flood, level 1 of 3: Pakse. One reading of 14.00 m, not confirmed."


def test_what_is_not_assessed_and_what_ends_is_said() -> None:
    state = flood(0.6, 0.6).state
    blind = flood(number=1, state=state, age_h=60.0)
    assert headlines.compose_headline(
        blind, event=Level.WARNING, status="Actual", product="warning"
    ) == (
        "Flood warning, level 2 of 3: Vientiane. "
        "It stays in force and cannot be assessed at present."
    )
    for ending, expected in ENDINGS.items():
        line = headlines.compose_headline(
            flood(), event=Level.WATCH, product="advisory", ending=ending, status="Actual"
        )
        assert line == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_headline_is_longer_than_140(language: str) -> None:
    """In the month with the longest name, under each banner and product."""
    names = read_templates(language)["months"]
    day = T0.replace(month=1 + max(range(12), key=lambda number: len(names[number])), day=28)
    longest = 0
    for notice in every_notice():
        decision = notice.decision
        if decision.river:
            leads = tuple(replace(lead, valid_time=day) for lead in decision.river.leads)
            decision = replace(decision, river=replace(decision.river, leads=leads))
        for status in STATUSES:
            for product in PRODUCTS:
                told = replace(notice, decision=decision, product=product, status=status)
                longest = max(longest, len(compose(told, language=language).headline))
    assert 60 < longest <= headlines.LONGEST


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_name_leaves_out_the_stage_and_not_the_place(language: str) -> None:
    name = "Nakhon Ratchasima Mueang Kao"
    decision = flood(0.6, 0.6, stage_m=11.9)
    decision = replace(decision, city=replace(decision.city, id="new", name=name))
    line = headlines.compose_headline(
        decision, event=Level.WARNING, status="Exercise", language=language
    )
    assert name in line
    assert len(line) <= headlines.LONGEST
