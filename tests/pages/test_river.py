from __future__ import annotations

from datetime import timedelta
from statistics import NormalDist

import pytest

from pipeline.alerts.templates import LANGUAGES
from pipeline.pages.edition import Edition
from pipeline.pages.river import River
from tests.conftest import LayOver
from tests.pages.page_cases import (
    BANK,
    BOTH,
    FLOOD,
    ISSUED,
    SKILFUL,
    UNKNOWN,
    change_city,
)


def river(edition: Edition, city: str, language: str = "en") -> River:
    return River(edition.cities[city], edition, language)


def test_the_highest_stage_and_the_last_are_told_against_a_mark(edition: Edition) -> None:
    found = river(edition, FLOOD)
    assert found.tell_highest() == (
        "Highest 14.30 m on 27 August, 1.80 m above flood stage. It may rise further after that."
    )
    assert found.tell_now() == "Now 12.20 m, 0.30 m below flood stage, rising."
    assert found.tell_read_at() == "River read on 20 August at 07:00."
    thai = river(edition, BANK, "th")
    assert "11,8" not in thai.tell_highest()
    assert "11.80" in thai.tell_highest()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_decimals(edition: Edition, language: str) -> None:
    assert ("14,30" if language == "vi" else "14.30") in river(
        edition, FLOOD, language
    ).tell_highest()


def test_a_river_that_stands_as_high_already_has_no_highest_stage_to_come(
    edition: Edition,
) -> None:
    city = edition.cities[FLOOD]
    higher = {**city, "stage": city["stage"] | {"m": 14.6, "trend": "falling"}}
    found = River(higher, edition, "en")
    assert found.tell_highest() == ""
    assert found.tell_now() == "Now 14.60 m, 2.10 m above flood stage, falling."


def test_a_river_above_its_mark_says_until_when(edition: Edition) -> None:
    """As the message: the day on which it is below again, or that no day of the forecast is."""
    above = change_city(edition, FLOOD, stage={"m": 14.6, "trend": "falling"})
    assert river(above, FLOOD).tell_ending() == "Not below flood stage again within 7 days."
    ending = change_city(above, FLOOD, flood={"ending_time": "2026-08-25T00:00:00Z"})
    assert river(ending, FLOOD).tell_ending() == "Below flood stage again on 25 August."
    assert river(edition, FLOOD).tell_ending() == "", "highest on the last day"
    below = change_city(edition, FLOOD, flood={"peak_m": 12.3}, stage={"m": 12.4})
    assert river(below, FLOOD).tell_ending() == "", "the mark is not reached"
    unknown = change_city(ending, FLOOD, flood={"level": "unknown"})
    assert river(unknown, FLOOD).tell_ending() == "", "no chances, no day"
    calm = change_city(ending, FLOOD, flood={"level_in_force": "none"})
    assert river(calm, FLOOD).tell_ending() == ""


def test_a_highest_stage_before_the_last_day_is_not_said_to_go_on(edition: Edition) -> None:
    earlier = change_city(edition, FLOOD, flood={"peak_time": "2026-08-24T00:00:00Z"})
    told = river(earlier, FLOOD).tell_highest()
    assert told == "Highest 14.30 m on 24 August, 1.80 m above flood stage."


def test_days_beyond_skill_are_marked(edition: Edition) -> None:
    marked = [day["beyond"] for day in river(edition, FLOOD).collect_chances()]
    assert marked == [lead > SKILFUL for lead in range(1, 8)]
    days = river(edition, FLOOD).list_days()
    assert [day["skilful"] for day in days] == [lead <= SKILFUL for lead in range(1, 8)]
    assert days[0] | {"low": "", "high": ""} == {
        "date": "21 August", "expected": "12.50", "low": "", "high": "", "alarm": "> 99 %",
        "flood": "50 %", "skilful": True,
    }  # fmt: skip


def test_a_flood_that_is_not_assessed_has_no_chances(edition: Edition) -> None:
    found = river(edition, UNKNOWN)
    assert (found.days, found.tell_highest(), found.list_days()) == ([], "", [])
    assert found.collect_chances() == []
    assert found.tell_now() == "There is no reading of the river."


def test_a_level_of_rain_has_no_chances_of_a_river_that_is_not_assessed(edition: Edition) -> None:
    raised = change_city(
        edition, BOTH, flood={"level": "watch", "level_in_force": "watch", "river_level": "unknown"}
    )
    found = river(raised, BOTH)
    assert (found.days, found.tell_highest(), found.peak_m) == ([], "", None)


def test_days_that_are_not_known_are_left_out(edition: Edition) -> None:
    """A tree of before the quantiles of the highest stage has none of them."""
    days = edition.cities[FLOOD]["days"]
    gone = [day | {"day_m": dict.fromkeys(day["day_m"])} for day in days[:2]]
    found = river(change_city(edition, FLOOD, days=[*gone, *days[2:]]), FLOOD)
    assert [day["lead_days"] for day in found.days] == [3, 4, 5, 6, 7]
    assert len(found.collect_chances()) == len(found.list_days()) == 5
    older = [day | {"highest_m": None} for day in days]
    assert river(change_city(edition, FLOOD, days=older), FLOOD).days == []


@pytest.mark.parametrize("city", [FLOOD, BANK, BOTH])
def test_quantiles_for_marks_give_the_published_chances(edition: Edition, city: str) -> None:
    """By the rule of the script: a straight line over the normal quantile."""
    found = river(edition, city)
    for row, day in zip(found.collect_chances(), found.days, strict=True):
        for name, of in (("p_alarm", "day"), ("p_flood", "day"), ("p_flood_by", "highest")):
            mark = found.city["marks"]["alarm" if name == "p_alarm" else "flood"]
            assert chance(row[of], 100 * mark) == pytest.approx(day[name], abs=0.02)


def chance(pairs: list[list[float]], cm: float) -> float:
    number = next((k for k, (_, high) in enumerate(pairs) if k and high >= cm), len(pairs) - 1)
    (z0, low), (z1, high) = pairs[number - 1 : number + 1]
    return 1.0 - NormalDist().cdf(z0 + (z1 - z0) * (cm - low) / (high - low))


def test_crests_of_past_years_are_drawn(edition: Edition, lay_over: LayOver) -> None:
    lay_over(
        "impacts.csv",
        "city,kind,stage_m,language,text,depth,year,source,verified",
        "vientiane,crest,13.7,en,,,2008,MRC,V",
    )
    assert "highest of 2008 13.70" in river(edition, FLOOD).draw_fan()


def test_the_fan_says_in_words_what_it_shows(edition: Edition) -> None:
    fan = river(edition, FLOOD).draw_fan()
    assert 'aria-label="The river: last 30 days and the next 7. Now 12.20 m' in fan
    assert river(edition, UNKNOWN).draw_fan() == "", "neither readings nor a forecast"
    assert edition.issue_time == ISSUED
    assert edition.expires_at - ISSUED >= timedelta(days=1)


def test_a_reading_of_the_day_before_is_not_of_now(edition: Edition) -> None:
    evening = {"stage": {"time": "2026-08-19T12:00:00Z"}}
    found = river(change_city(edition, FLOOD, **evening), FLOOD)
    assert found.tell_now() == (
        "Last reading 12.20 m, 0.30 m below flood stage, rising. River read on 19 August at 19:00."
    )


def test_a_gauge_upstream_has_its_mark_and_the_day_of_an_older_reading(edition: Edition) -> None:
    upstream = [{"station": edition.cities[FLOOD]["gauge"]["station"], "travel_time_d": None}]
    below = change_city(edition, BOTH, gauge={"upstream": upstream})
    (told,) = river(below, BOTH).list_upstream()
    assert (told["stage"], told["position"], told["date"]) == (
        "12.20", "0.70 m above alarm stage", "",
    )  # fmt: skip
    evening = change_city(below, FLOOD, stage={"time": "2026-08-19T12:00:00Z"})
    (told,) = river(evening, BOTH).list_upstream()
    assert told["date"] == "19 August"
