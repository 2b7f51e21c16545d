from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pipeline.alerts import text as alert_text
from pipeline.alerts.decision import Decision
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.geography.places import Station
from tests.alerts.alert_cases import (
    CITY,
    RULES,
    STATION,
    T0,
    UNKNOWN_RAIN,
    drought,
    dry_spell,
    flood,
    pluvial,
    ramp,
    river,
)
from tests.alerts.cap_cases import send


def test_english_says_what_where_how_likely_when_why_and_what_is_missing() -> None:
    decision = flood(0.6, 0.6, 0.004, change_1d_m=0.42, tier="no_rain", rain=UNKNOWN_RAIN)
    text = alert_text.compose(decision, event=Level.WARNING, status="Exercise", language="en")
    assert text.description.splitlines() == [
        "EXERCISE. Made from synthetic data. Do not act on this message.",
        (
            "The river at Vientiane KM4 stood at 9.00 m on 20 August 2026 at 07:00 local time. It "
            "rose by 42 cm in the day before. At this gauge alarm stage is 11.50 m, flood stage "
            "12.50 m. Lao terms: alarm stage is the warning level (ladap tuean phai), flood stage "
            "the danger level (ladap antalai)."
        ),
        (
            "Chance of reaching alarm stage within 7 days: 60 %. Chance of reaching flood stage "
            "within 5 days: 60 %. Chance of reaching flood stage within 2 days: less than 1 %. "
            "High water may begin on 25 August 2026."
        ),
        (
            "Highest stage expected in the next 7 days: 9.70 m on 27 August 2026; 9 in 10 chances "
            "that it is between 8.30 and 11.80 m. Change until then, in cm: rise or fall upstream "
            "+49, rain +28, the river's own trend -7."
        ),
        (
            "Missing evidence: rain in the river forecast; rain over the city, so that heavy local "
            "rain is not assessed."
        ),
    ]
    assert "national and provincial authorities" in text.instruction


def test_mrc_terms_and_extrapolation() -> None:
    def english(decision: Decision, level: Level) -> str:
        return alert_text.compose(decision, event=level, status="Actual", language="en").description

    above = english(flood(stage_m=12.6), Level.EMERGENCY)
    assert "MRC term: flood stage exceeded." in above
    assert "The river is at or above flood stage." in above
    assert "EXERCISE" not in above
    alarm, high = ramp(0.6, 0.6, 0.6)
    near = decide_flood(
        CITY,
        issue_time=T0,
        station=STATION,
        river=river(p_alarm=alarm, p_flood=high, extrapolated=True),
        rain=UNKNOWN_RAIN,
        state=None,
        rules=RULES,
    )
    assert "alarm situation (flood stage forecast within 3 days)" in english(near, Level.WARNING)
    assert "beyond what has been observed" in english(near, Level.WARNING)
    assert "alarm situation" not in english(flood(0.6, 0.6, 0.4), Level.WARNING)
    assert "no gauge with an alarm stage" in english(pluvial(6.0), Level.WATCH)


@pytest.mark.parametrize(
    ("station", "expected"),
    [
        (replace(STATION, code="013101", country="TH", flood_m=12.0), "3.00 m below the bank"),
        (
            replace(STATION, code="019803", country="VN", alarm_m=3.5, flood_m=4.5),
            "(báo động I) 3.50 m, báo động II 4.00 m, flood stage (báo động III) 4.50 m",
        ),
        (replace(STATION, tidal=True), "The tide moves this gauge"),
        (replace(STATION, threshold_verified=False), "have not been verified"),
    ],
)
def test_local_terms_and_cautions(station: Station, expected: str) -> None:
    decision = decide_flood(
        CITY,
        issue_time=T0,
        station=station,
        river=river(station=station.code),
        rain=UNKNOWN_RAIN,
        state=None,
        rules=RULES,
    )
    text = alert_text.compose(decision, event=Level.WATCH, status="Test", language="en")
    assert expected in text.description


def test_the_city_clock_is_told() -> None:
    yangon = replace(CITY, utc_offset_h=6.5)
    decision = replace(flood(0.3), city=yangon)
    text = alert_text.compose(decision, event=Level.WATCH, status="Test", language="en")
    assert "on 20 August 2026 at 06:30 local time" in text.description


def test_drought_never_claims_d4() -> None:
    decision = drought(dry_spell(0.9, 0.9, 0.9, now=4))
    text = alert_text.compose(decision, event=Level.EMERGENCY, status="Test", language="en")
    assert "D3 or worse" in text.description
    message, _ = send(decision)
    assert message is not None
    assert "D4" not in message.content.decode().replace("D0–D4", "the scale")


@pytest.mark.parametrize(("years", "is_told"), [(2.0, True), (1.99, False)])
def test_rain_is_told_from_a_return_period_of_two_years(years: float, *, is_told: bool) -> None:
    text = alert_text.compose(pluvial(years), event=Level.WATCH, status="Test", language="en")
    assert ("2 years" in text.description) is is_told


def test_drivers_of_one_size_are_told_by_name_and_small_ones_not() -> None:
    forecast = river()
    drivers = {"upstream": -12.0, "rain": 12.0, "tide": 0.5, "season": -0.49, "wetness": 30.0}
    leads = tuple(replace(lead, drivers_cm=drivers) for lead in forecast.leads)
    decision = decide_flood(
        CITY, issue_time=T0, station=STATION, river=replace(forecast, leads=leads),
        rain=UNKNOWN_RAIN, state=None, rules=RULES,
    )  # fmt: skip
    text = alert_text.compose(decision, event=Level.WATCH, status="Test", language="en")
    (line,) = [line for line in text.description.splitlines() if "Change until then" in line]
    assert [part.split()[-1].rstrip(".") for part in line.split("in cm: ")[1].split(", ")] == [
        "+30", "+12", "-12", "+0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change_1d_m", "english", "vietnamese"),
    [
        (0.42, "It rose by 42 cm", "mực nước lên 42 cm"),
        (-0.006, "It fell by 1 cm", "mực nước xuống 1 cm"),
        (0.004, "It did not change", "mực nước không thay đổi"),
        (-0.004, "It did not change", "mực nước không thay đổi"),
    ],
)
def test_a_trend_is_told_as_rise_or_fall(change_1d_m: float, english: str, vietnamese: str) -> None:
    decision = flood(0.3, change_1d_m=change_1d_m)
    for language, expected in (("en", english), ("vi", vietnamese)):
        text = alert_text.compose(decision, event=Level.WATCH, status="Test", language=language)
        assert expected in text.description


def describe(station: Station, language: str, *, stage_m: float = 9.0) -> str:
    """Description of a gauge's Watch in a language."""
    alarm, high = ramp(0.995, 0.004, 0.0)
    decision = decide_flood(
        CITY, issue_time=T0, station=station, rain=UNKNOWN_RAIN, state=None, rules=RULES,
        river=river(station=station.code, stage_m=stage_m, p_alarm=alarm, p_flood=high),
    )  # fmt: skip
    return alert_text.compose(
        decision, event=Level.WATCH, status="Test", language=language
    ).description


def test_vietnamese_gauges_have_the_national_levels_in_every_sentence() -> None:
    station = replace(STATION, code="019803", country="VN", name="Tan Chau", alarm_m=3.5,
                      flood_m=4.5, threshold_verified=False)  # fmt: skip
    text = describe(station, "vi", stage_m=4.6)
    assert "mực nước tại trạm Tân Châu là 4,60 m." in text
    assert "Mực nước đã đạt hoặc vượt báo động III." in text
    assert "báo động I 3,50 m, báo động II 4,00 m, báo động III 4,50 m." in text
    assert "Khả năng mực nước đạt báo động I trong 7 ngày tới: trên 99%." in text
    assert "đạt báo động III trong 5 ngày tới: dưới 1%." in text
    assert "Số liệu báo động I và báo động III của trạm này" in text
    assert "mức báo động" not in text
    without_level_2 = describe(replace(station, code="039803", name="Can Tho"), "vi")
    assert "Các ngưỡng: mức báo động 3,50 m, ngưỡng lũ (flood stage) 4,50 m." in without_level_2
    assert not re.search(r"\d\.\d", text), "the decimal sign is a comma"


def test_thai_gauges_have_the_bank_and_thai_dates_the_era() -> None:
    station = replace(STATION, code="013101", country="TH", name="Nakhon Phanom")
    text = describe(station, "th", stage_m=12.6)
    lines = text.splitlines()
    assert (
        "ระดับน้ำที่สถานี นครพนม วัดได้ 12.60 ม. เมื่อวันที่ 20 สิงหาคม พ.ศ. 2569 เวลา 07.00 น. (เวลาท้องถิ่น)"
    ) in lines
    assert "ระดับน้ำถึงหรือสูงกว่าระดับตลิ่ง แล้ว" in lines
    assert "เกณฑ์: ระดับเตือนภัย 11.50 ม. ระดับตลิ่ง 12.50 ม." in lines
    assert "โอกาสที่น้ำจะถึงระดับเตือนภัย ภายใน 7 วัน: มากกว่า 99%" in lines
    assert "2026" not in text
    assert "เกณฑ์น้ำท่วม (flood stage) 12.50 ม." in describe(STATION, "th")


def test_a_drought_index_has_the_decimal_sign_of_the_language() -> None:
    decision = drought(dry_spell(0.6, now=1, spi3=-1.5))
    for language, expected in (("en", "(SPI-3): -1.5."), ("vi", "(SPI-3): -1,5.")):
        text = alert_text.compose(decision, event=Level.WATCH, status="Test", language=language)
        assert expected in text.description
