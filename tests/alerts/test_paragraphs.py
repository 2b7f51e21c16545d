from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Doubt, Rain
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.alerts.text import compose
from pipeline.geography.places import Station
from tests.alerts.alert_cases import (
    CITY,
    NAN,
    RULES,
    STATION,
    T0,
    UNKNOWN_RAIN,
    flood,
    hold,
    pluvial,
    ramp,
    river,
)
from tests.alerts.notice_cases import RECORD, decide, every_notice, note

SINCE_2026 = "Since 1 June 2026, flood stage was reached after 7 of 10 such warnings for this city."


def describe(decision: Decision, language: str = "en") -> dict[str, str]:
    """Lines of a description by their first words; the last one holds what follows below it."""
    text = compose(note(decision, status="Actual"), language=language).description
    above, _, below = text.partition("For hydrologists:\n")
    lines = dict(line.partition(": ")[::2] for line in above.splitlines() if ": " in line)
    return {**lines, "For hydrologists": below}


def falling(decision: Decision, step_m: float = 0.2) -> Decision:
    """The same with medians that fall from the last reading by so much a day."""
    assert decision.river is not None
    stage_m = decision.river.stage_m
    leads = tuple(
        replace(lead, q50_m=stage_m - step_m * lead.days) for lead in decision.river.leads
    )
    return replace(decision, river=replace(decision.river, leads=leads, change_1d_m=-step_m))


def test_english_says_in_five_lines_what_where_when_how_sure_and_how_it_is_now() -> None:
    decision = flood(0.6, 0.6, 0.004, change_1d_m=0.42, tier="no_rain", rain=UNKNOWN_RAIN)
    text = compose(note(replace(decision, track_record=RECORD)), language="en")
    assert text.description.splitlines() == [
        "EXERCISE. Made from synthetic data. Do not act on this message.",
        (
            "What: Level 2 of 3 (Warning: prepare). The river may reach flood stage; low ground "
            "near it may go under water."
        ),
        "Where: Vientiane, 24 km around, this country.",
        (
            "When: The river may reach flood stage by 25 August. Highest 9.70 m on 27 August. "
            "It may rise further after that. This message holds until 22 August, 13:30 local time."
        ),
        f"How sure: Chance of reaching flood stage within 5 days: 60 %. {SINCE_2026}",
        (
            "Now: The river at Vientiane KM4 stood at 9.00 m on 20 August 2026 at 07:00 local "
            "time, 3.50 m below flood stage. Rising: up 42 cm in a day."
        ),
        "Automatic forecast, not an official warning.",
        "For hydrologists:",
        "At this gauge alarm stage is 11.50 m, flood stage 12.50 m.",
        "Other chances: alarm stage in 7 days: 60 %; flood stage in 2 days: less than 1 %.",
        (
            "9 in 10 chances that the stage on 27 August is between 8.30 and 11.80 m. Change until "
            "the highest stage, in cm: rise or fall upstream +49, rain +28, the river's own trend "
            "-7."
        ),
        (
            "Missing evidence: rain in the river forecast; rain over the city, so that heavy local "
            "rain is not assessed."
        ),
    ]


def test_what_stands_there_is_told_with_its_height_and_no_chance_of_it() -> None:
    alarm = describe(flood(0.995, 0.4, stage_m=11.6))
    assert "stood 0.10 m above alarm stage at its last reading" in alarm["What"]
    assert alarm["How sure"] == "Chance of reaching flood stage within 5 days: 40 %."
    assert "alarm stage in 7 days" not in alarm["For hydrologists"]
    high = describe(flood(0.995, 0.995, 0.995, stage_m=12.6))
    assert "stood 0.10 m above flood stage at its last reading" in high["What"]
    assert high["How sure"] == (
        "It is observed. 9 in 10 chances that the stage on 27 August is between 11.90 and 15.40 m."
    )
    assert "chances:" not in high["For hydrologists"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_chance_is_told_for_one_event(language: str) -> None:
    """The five lines hold one percent sign or word at most; in Vietnamese a range has one too."""
    percent = {"my": "ရာခိုင်နှုန်း"}.get(language, "%")
    below = read_templates(language)["line"]["hydrologists"]
    counts = [
        compose(notice, language=language).description.partition(below)[0].count(percent)
        for notice in every_notice()
    ]
    assert set(counts) == {0, 1}


def test_when_tells_from_to_and_the_highest_day() -> None:
    begun = replace(
        flood(0.9, 0.9, 0.9, stage_m=12.6),
        onset=T0 - timedelta(days=3),
        ending_time=T0 + timedelta(days=5),
    )
    assert describe(begun)["When"] == (
        "Since 17 August. Highest 13.30 m on 27 August. It may rise further after that. "
        "Below flood stage again on 25 August. "
        "This message holds until 22 August, 13:30 local time."
    )
    assert describe(falling(flood(0.9, 0.9, 0.9, stage_m=12.6)))["When"] == (
        "Not below flood stage again within 7 days. "
        "This message holds until 22 August, 13:30 local time."
    )
    low = describe(flood(0.6, 0.6))["When"]
    assert "again" not in low, "a median below the mark never falls below it again"
    blind = describe(flood(0.9, 0.9, 0.9, stage_m=11.6, tier="climatology"))
    assert blind["When"].startswith("There is no forecast of the river.")
    assert blind["How sure"] == "How likely it is cannot be said at present."


@pytest.mark.parametrize(
    ("change_1d_m", "told"),
    [
        (0.101, "Rising: up 10 cm in a day."),
        (0.1, "Steady: 10 cm of change in a day."),
        (-0.1, "Steady: 10 cm of change in a day."),
        (-0.35, "Falling: down 35 cm in a day."),
    ],
)
def test_a_trend_is_a_word_in_the_bands_of_the_mrc(change_1d_m: float, told: str) -> None:
    assert describe(flood(0.3, change_1d_m=change_1d_m))["Now"].endswith(told)
    assert "cm" not in describe(flood(0.3, change_1d_m=NAN))["Now"]


def test_pakse_is_steady_within_5_cm() -> None:
    assert "Rising" in describe(decide("pakse", change_1d_m=0.06))["Now"]
    assert "Steady" in describe(decide("pakse", change_1d_m=0.05))["Now"]


def test_a_held_level_says_so_and_an_unassessed_one_says_what_is_missing() -> None:
    held = describe(hold(replace(flood(0.1), level=Level.WARNING, in_force=Level.WARNING)))
    assert "It eases, but not clearly or long enough to lower the level." in held["What"]
    blind = describe(flood(number=1, state=flood(0.6, 0.6).state, age_h=60.0))
    assert "the last level stays in force as a precaution" in blind["What"]
    assert blind["How sure"] == (
        "How likely it is cannot be said at present. "
        "Missing evidence: a river reading of the last 48 hours."
    )
    assert "Missing" not in blind["For hydrologists"]


def test_one_reading_that_is_not_confirmed_is_told_as_such() -> None:
    doubt = Doubt(kind="unconfirmed", lowest_m=14.0, highest_m=14.0, time=T0)
    lines = describe(decide("pakse", doubt=doubt, p=(0.1, 0.0, 0.0)))
    assert "One reading of the river is very high and not confirmed." in lines["What"]
    assert lines["How sure"].startswith("The next reading decides. Missing evidence: confirmation")
    assert "One reading, not confirmed: 14.00 m on 20 August at 07:30" in lines["Now"]
    conflict = Doubt(kind="conflict", lowest_m=9.0, highest_m=14.0, time=T0)
    assert "disagree: 9.00 m and 14.00 m" in describe(decide("pakse", doubt=conflict))["Now"]


def test_rain_has_its_day_its_duration_and_its_amount() -> None:
    def told(**rain: float) -> str:
        given = Rain(return_period_years=6.0, pluvial_index=NAN, **rain)  # type: ignore[arg-type]
        return describe(replace(pluvial(6.0), rain=given))["When"]

    assert told(depth_mm=131.6, duration_days=1).startswith(
        "132 mm of rain fell on 19 August, as much as once in 6 years."
    )
    assert told(depth_mm=131.6, duration_days=3).startswith(
        "132 mm of rain fell in three days to 19 August, as much as once in 6 years."
    )
    assert told().startswith("The rain was as heavy as once in 6 years.")
    assert describe(pluvial(6.0))["How sure"].startswith("The rain is measured by satellite")
    assert "no gauge with an alarm stage" in describe(pluvial(6.0))["Now"]


@pytest.mark.parametrize(("years", "is_told"), [(2.0, True), (1.99, False)])
def test_rain_beside_the_river_is_told_from_a_return_period_of_two_years(
    years: float, *, is_told: bool
) -> None:
    wet = flood(0.6, 0.6, rain=Rain(return_period_years=years, pluvial_index=NAN))
    assert ("once in 2 years" in describe(wet)["For hydrologists"]) is is_told
    assert describe(wet)["How sure"].startswith("Chance of reaching flood stage")


def test_mrc_terms_and_the_country_s_own() -> None:
    above = describe(flood(stage_m=12.6))
    assert "MRC term: flood stage exceeded." in above["For hydrologists"]
    assert "0.10 m above flood stage (Lao danger level, ladap antalai)" in above["Now"]
    near = describe(flood(0.6, 0.6, 0.6))
    assert "alarm situation (flood stage forecast within 3 days)" in near["For hydrologists"]
    assert "alarm situation" not in describe(flood(0.6, 0.6, 0.4))["For hydrologists"]


def test_beyond_what_was_observed_is_said_where_the_median_is() -> None:
    beyond, within = (decide("pakse", beyond=far) for far in (True, False))
    words = "beyond what has been observed"
    assert words in describe(beyond)["For hydrologists"]
    assert words not in describe(within)["For hydrologists"]


@pytest.mark.parametrize(
    ("station", "expected"),
    [
        (replace(STATION, tidal=True), "The tide moves this gauge"),
        (replace(STATION, threshold_verified=False), "have not been verified"),
        (
            replace(STATION, code="019803", country="VN", alarm_m=3.5, flood_m=4.5),
            "(báo động I) 3.50 m, báo động II 4.00 m, flood stage (báo động III) 4.50 m",
        ),
    ],
)
def test_local_levels_and_cautions(station: Station, expected: str) -> None:
    decision = decide_flood(
        CITY, issue_time=T0, station=station, river=river(station=station.code),
        rain=UNKNOWN_RAIN, state=None, rules=RULES,
    )  # fmt: skip
    assert expected in compose(note(decision), language="en").description


def test_the_city_clock_is_told() -> None:
    yangon = replace(CITY, utc_offset_h=6.5)
    assert "at 06:30 local time" in describe(replace(flood(0.3), city=yangon))["Now"]


def test_the_largest_drivers_are_told_and_small_ones_not() -> None:
    forecast = river(p_alarm=(0.9,) * 7)
    drivers = {
        "upstream": -12.0, "rain": 12.0, "tide": 0.5, "season": -0.49, "wetness": 30.0,
        "height": -2.0,
    }  # fmt: skip
    leads = tuple(replace(lead, drivers_cm=drivers) for lead in forecast.leads)
    decision = decide_flood(
        CITY, issue_time=T0, station=STATION, river=replace(forecast, leads=leads),
        rain=UNKNOWN_RAIN, state=None, rules=RULES,
    )  # fmt: skip
    below = describe(decision)["For hydrologists"]
    told = re.search(r"in cm: (.*)\.", below)
    assert told is not None
    assert [part.split()[-1] for part in told[1].split(", ")] == ["+30", "+12", "-12"]
    few = {"tide": 0.5, "season": -0.49}
    leads = tuple(replace(lead, drivers_cm=few) for lead in forecast.leads)
    below = describe(replace(decision, river=replace(forecast, leads=leads)))["For hydrologists"]
    assert "in cm: tide +0." in below


def describe_station(station: Station, language: str, *, stage_m: float = 9.0) -> str:
    """Description of a gauge's level in a language, without zero-width spaces."""
    alarm, high = ramp(0.995, 0.004, 0.0)
    decision = decide_flood(
        CITY, issue_time=T0, station=station, rain=UNKNOWN_RAIN, state=None, rules=RULES,
        river=river(station=station.code, stage_m=stage_m, p_alarm=alarm, p_flood=high),
    )  # fmt: skip
    return compose(note(decision), language=language).description.replace("\u200b", "")


def test_vietnamese_gauges_have_the_national_levels_in_every_sentence() -> None:
    station = replace(STATION, code="019803", country="VN", name="Tan Chau", alarm_m=3.5,
                      flood_m=4.5, threshold_verified=False)  # fmt: skip
    text = describe_station(station, "vi", stage_m=4.6)
    assert "mực nước tại trạm Tân Châu là 4,60 m, trên báo động III 0,10 m." in text
    assert "Theo số đo gần nhất, mực nước trên báo động III 0,10 m" in text
    assert "báo động I 3,50 m, báo động II 4,00 m, báo động III 4,50 m." in text
    assert "Các ngưỡng này chưa được xác minh." in text
    low = describe_station(station, "vi", stage_m=2.0)
    assert "Khả năng mực nước đạt báo động I trong 7 ngày tới: trên 99%." in low
    assert "báo động III trong 5 ngày: dưới 1%" in low
    assert "mức báo động" not in text + low
    without_level_2 = describe_station(replace(station, code="039803", name="Can Tho"), "vi")
    assert "Các ngưỡng: mức báo động 3,50 m, ngưỡng lũ (flood stage) 4,50 m." in without_level_2
    assert not re.search(r"\d\.\d", text), "the decimal sign is a comma"


def test_thai_gauges_have_the_bank_and_thai_dates_the_era() -> None:
    station = replace(STATION, code="013101", country="TH", name="Nakhon Phanom")
    text = describe_station(station, "th", stage_m=12.6)
    assert (
        "ระดับน้ำที่สถานี นครพนม วัดได้ 12.60 ม. เมื่อวันที่ 20 สิงหาคม พ.ศ. 2569 เวลา 07.00 น. (เวลาท้องถิ่น) "
        "สูงกว่าระดับตลิ่ง 0.10 ม."
    ) in text
    assert "เกณฑ์: ระดับเตือนภัย 11.50 ม. ระดับตลิ่ง 12.50 ม." in text
    assert "2026" not in text
    low = describe_station(station, "th")
    assert "โอกาสที่น้ำจะถึงระดับเตือนภัย ภายใน 7 วัน: มากกว่า 99%" in low
    assert "เกณฑ์น้ำท่วม (flood stage) 12.50 ม." in describe_station(STATION, "th")


def test_a_range_that_is_not_known_is_not_told() -> None:
    decision = flood(0.9, 0.9, 0.9, stage_m=12.6)
    assert decision.river is not None
    leads = tuple(replace(lead, q05_m=NAN) for lead in decision.river.leads)
    told = describe(replace(decision, river=replace(decision.river, leads=leads)))
    assert "9 in 10" in describe(decision)["How sure"]
    assert "9 in 10" not in told["How sure"]
