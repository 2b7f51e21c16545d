from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.alerts import formats
from pipeline.alerts.levels import Level
from pipeline.alerts.templates import read_templates
from pipeline.geography.places import Station
from tests.alerts.alert_cases import CITY, STATION, T0


@pytest.mark.parametrize(
    ("stage_m", "event", "mark"),
    [
        (12.5, Level.WATCH, "flood"),
        (12.4, Level.WATCH, "alarm"),
        (12.4, Level.WARNING, "flood"),
        (9.0, Level.EMERGENCY, "flood"),
    ],
)
def test_a_stage_is_told_against_the_mark_of_the_level(
    stage_m: float, event: Level, mark: str
) -> None:
    assert formats.choose_mark(STATION, stage_m, event) == mark


def test_a_position_has_the_words_and_the_decimal_sign_of_the_language() -> None:
    def tell(language: str, station: Station = STATION, *, short: bool = False) -> str:
        templates = read_templates(language)
        told = formats.tell_position(station, 12.67, "flood", templates, asof=T0, short=short)
        return told.replace("\u200b", "")

    assert tell("en") == "0.17 m above flood stage"
    assert tell("vi") == "trên ngưỡng lũ (flood stage) 0,17 m"
    assert tell("vi", short=True) == "trên ngưỡng lũ 0,17 m"
    tan_chau = replace(STATION, country="VN", code="019803")
    assert tell("vi", tan_chau, short=True) == "trên báo động III 0,17 m"
    no_level_2 = replace(tan_chau, code="039803")
    assert tell("vi", no_level_2, short=True) == "trên ngưỡng lũ 0,17 m"
    assert tell("th", replace(STATION, country="TH")) == "สูงกว่าระดับตลิ่ง 0.17 ม."


def test_only_english_has_the_terms_of_a_country_in_latin() -> None:
    english, lao = read_templates("en"), read_templates("lo")
    assert formats.name_term(STATION, "flood", english, asof=T0).endswith("ladap antalai")
    assert formats.name_term(STATION, "flood", lao, asof=T0) == ""
    assert formats.name_term(replace(STATION, country="KH"), "flood", english, asof=T0) == ""


def test_dates_are_on_the_city_clock_and_in_its_era() -> None:
    yangon = replace(CITY, utc_offset_h=6.5)
    late = T0.replace(hour=17, minute=45)
    templates = read_templates("th")
    assert formats.format_date(late, yangon, templates, year=True) == "21 สิงหาคม พ.ศ. 2569"
    assert formats.format_date(late, yangon, templates) == "21 สิงหาคม"
    assert formats.format_hour(late, yangon, templates) == "00.15"


def test_no_zero_has_a_minus() -> None:
    assert formats.format_metres(-0.004, read_templates("en")) == "0.00"
    assert formats.format_metres(-0.005001, read_templates("vi")) == "-0,01"
