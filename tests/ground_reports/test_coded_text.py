"""Coded texts: what is read, what is in doubt, what is refused, and 500 mistyped ones."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.ground_reports import coded_text
from pipeline.ground_reports.city_codes import cities_by_number
from pipeline.ground_reports.coded_text import CodedReport, UnreadText, parse_text
from tests.ground_reports.mistyped_texts import HARD, READABLE, mistype

CITIES = cities_by_number()
RECEIVED = datetime(2026, 8, 20, 7, 20, tzinfo=UTC)
"""14:20 in Bueng Kan, whose code is 17U."""
LAST_SEEN = datetime(2026, 8, 20, 7, 5, tzinfo=UTC)
LARGEST_ERROR = timedelta(minutes=75)
"""A time mistyped into the hour before the receipt, or 15 minutes after it, cannot be seen."""


def read(text: str, received_at: datetime = RECEIVED) -> CodedReport:
    return parse_text(text, received_at=received_at, cities=CITIES)


@pytest.mark.parametrize(
    "text",
    [
        "FL 17U 30 1405", "fl 17u 30 1405", "FL17U30 1405", "FL17U301405", "FL 17 U 30 1405",
        "FL,17U,30,1405", "FL.17U.30.1405", "FL-17U-30-14-05", "FL: 17U; 30; 14:05.",
        "FLOODED 17U 30cm 14:05", "Flood 17U 30 cm 14.05", "FL 17U 30 14h05", "FL 17U 30 1405h",
        "FL I7U 3O l4O5", "FLl7U 3o 14o5", "FL |7U 30 1405", "FL00D 17U 30 1405",
        "FL ១៧U ៣០ ១៤០៥", "FL ໑໗U ໓໐ ໑໔໐໕", "FL ๑๗U ๓๐ ๑๔๐๕", "FL ၁၇U ၃၀ ၁၄၀၅",
        "FL 17U 1405 30", "FL 17U 1405 30cm", "17U FL 30 1405", "FL 30 17U 1405", "FFL 17U 30 1405",
        "FK 17U 30 1405", "F 17U 30 1405", "LF 17U 30 1405",
        "FL\u200b 17U\u00a030\n1405",
    ],
)  # fmt: skip
def test_flooded_in_other_ways(text: str) -> None:
    report = read(text)
    assert (report.city.id, report.observation, report.depth_cm) == ("bueng_kan", "flooded", 30)
    assert (report.valid_time, report.doubt) == (LAST_SEEN, "")
    assert report.answer == "Read: flooded, Bueng Kan, 30 cm, 20 Aug 14:05"


@pytest.mark.parametrize("text", ["DR 17U 1405", "dry 17u 14.05", "DR17U1405"])
def test_dry_in_other_ways(text: str) -> None:
    report = read(text)
    assert (report.city.id, report.observation, report.depth_cm) == ("bueng_kan", "dry", None)
    assert (report.valid_time, report.doubt) == (LAST_SEEN, "")


@pytest.mark.parametrize(("text", "depth_cm"), [("FL 17U 1405", None), ("FL 17U 0 1405", 0),
                                                ("FL 17U 500 1405", 500)])  # fmt: skip
def test_the_depth_is_in_cm_and_may_be_absent(text: str, depth_cm: int | None) -> None:
    assert read(text).depth_cm == depth_cm


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FL 17X 30 1405", "expected the code of a city as on the card, found 17X"),
        ("FL 71U 30 1405", "expected the code of a city as on the card, found 71U"),
        ("FL 99Z 30 1405", "expected the code of a city as on the card, found 99Z"),
        ("FL 16U 30 1405", "expected the code of a city as on the card, found 16U"),
        ("FL 178 30 1405", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 3014 05", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 501 1405", "expected a depth of at most 500 cm, found 501"),
        ("DR 17U 30 1405", "expected a depth with FL alone, found 30 cm with DR"),
        ("FL 17U 30", "expected the time as 1405 or 14:05, found none"),
        ("17U 30 1405", "expected FL or DR first, found neither"),
        ("", "expected FL or DR first, found neither"),
        ("F 17U 1405", "expected FL or DR first, found neither"),
        ("FL 17U 1410 14 20", "expected FL or DR, code, depth in cm and time alone"),
        ("DL 17U 1405", "expected FL or DR, code, depth in cm and time alone"),
        ("D 17U 1405", "expected FL or DR, code, depth in cm and time alone"),
        ("NOT FL 17U 30 1405", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 30 2 05 PM", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 30 2505", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 30 145", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 0.30 1405", "expected FL or DR, code, depth in cm and time alone"),
        ("FL 17U 20/08 14:05", "expected FL or DR, code, depth in cm and time alone"),
        ("FL17301405", "expected the code of a city as on the card, found none"),
        ("FL 17U 30 1405 " * 5, "expected at most 60 characters, found 74"),
    ],
)
def test_the_rest_is_refused_with_a_line_to_send_back(text: str, reason: str) -> None:
    with pytest.raises(UnreadText) as raised:
        read(text)
    assert raised.value.reason == reason
    assert len(raised.value.answer) <= 160
    assert raised.value.answer.isascii()
    assert "FL 17U 30 1405" in raised.value.answer


@pytest.mark.parametrize(
    ("text", "code"),
    [("FL 99Z 30 1405", "99Z"), ("fl99z 1405", "99Z"), ("DR 17 X 1405", "17X"),
     ("FL 71U 30 1405", "71U"), ("FL 16U301405", "16U")],
)  # fmt: skip
def test_an_unknown_code_is_answered_with_it(text: str, code: str) -> None:
    with pytest.raises(UnreadText) as raised:
        read(text)
    known = "Send the code on your card, as FL 17U 30 1405"
    assert raised.value.answer == f"Not read. The code {code} is unknown. {known}"
    assert raised.value.reason == f"expected the code of a city as on the card, found {code}"


@pytest.mark.parametrize(
    "text",
    ["help", "HELP!", "", "ช่วยด้วย", "flood help us", "flooded, 5 people on the roof",
     "drowning 2", "call 191", "please help us, five people are on the roof of the old school"],
)  # fmt: skip
def test_a_text_that_is_no_report_is_told_that_nobody_comes(text: str) -> None:
    with pytest.raises(UnreadText) as raised:
        read(text)
    assert raised.value.answer == coded_text.NO_HELP
    assert "no call for help" in coded_text.NO_HELP
    assert len(coded_text.NO_HELP) <= 160
    assert coded_text.NO_HELP.isascii()


@pytest.mark.parametrize(
    "text",
    ["FL 17U 30", "FL17301405", "NOT FL 17U 30 1405", "DR 1405", "FL 30 C 17U 30 1405",
     "FL 17U 30 14:05 A", "FL 17U 30CM 14H5"],
)  # fmt: skip
def test_a_report_that_is_not_read_is_answered_with_how_to_write_it(text: str) -> None:
    with pytest.raises(UnreadText) as raised:
        read(text)
    assert raised.value.answer.startswith("Not read. Send FL code cm time, as FL 17U 30 1405, or")


def test_two_ways_to_read_are_none() -> None:
    # 14 cm at 14:20, or 20 cm at 14:14: both within the hour before 14:25.
    received = RECEIVED + timedelta(minutes=5)
    with pytest.raises(UnreadText, match="expected one way to read it, found several"):
        read("FL 17U 14 14 20", received)
    assert read("FL 17U 14 1420", received).depth_cm == 14


def test_a_number_without_its_letter_is_in_doubt() -> None:
    report = read("FL 17 30 1405")
    assert (report.city.id, report.depth_cm, report.valid_time) == ("bueng_kan", 30, LAST_SEEN)
    assert report.doubt == coded_text.NO_LETTER
    assert report.answer.endswith("If this is right, send FL 17U 30 1405")


@pytest.mark.parametrize(
    ("time", "valid_time", "doubt"),
    [
        ("1320", "2026-08-20 06:20", ""),  # 60 minutes ago
        ("1319", "2026-08-20 06:19", coded_text.LATE),
        ("1435", "2026-08-20 07:35", ""),  # a clock 15 minutes ahead
        ("1436", "2026-08-19 07:36", coded_text.LATE),  # else it was yesterday
        ("1319 1319", "2026-08-20 06:19", ""),  # written twice
        ("1436 1436", "2026-08-19 07:36", ""),
    ],
)
def test_the_time_is_the_last_such_and_recent_or_written_twice(
    time: str, valid_time: str, doubt: str
) -> None:
    report = read(f"DR 17U {time}")
    assert (f"{report.valid_time:%Y-%m-%d %H:%M}", report.doubt) == (valid_time, doubt)


def test_a_time_written_twice_in_two_ways_is_refused() -> None:
    with pytest.raises(UnreadText):
        read("DR 17U 1319 1219")


def test_the_answer_to_a_late_text_can_be_sent() -> None:
    late = read("FL 17U 30 0630")
    assert late.doubt
    again = read(late.answer.rpartition("send ")[2])
    assert (again.valid_time, again.depth_cm, again.doubt) == (late.valid_time, 30, "")


def test_midnight_is_yesterdays_day() -> None:
    received = datetime(2026, 8, 20, 17, 10, tzinfo=UTC)  # 00:10 on 21 August
    assert read("DR 17U 2355", received).valid_time == datetime(2026, 8, 20, 16, 55, tzinfo=UTC)


def test_the_clock_is_the_citys() -> None:
    mandalay = read("DR 41N 1350", datetime(2026, 8, 20, 7, 20, tzinfo=UTC))  # UTC+6:30
    assert mandalay.city.id == "mandalay"
    assert mandalay.valid_time == datetime(2026, 8, 20, 7, 20, tzinfo=UTC)


def count_mistyped(count: int, seed: int, hard_share: float) -> Counter[str]:
    """Count what becomes of mistyped texts."""
    counts = Counter[str]()
    for mistyped in mistype(CITIES, count=count, seed=seed, hard_share=hard_share):
        meant = mistyped.meant
        kind = "readable" if mistyped.readable else "hard"
        counts[kind] += 1
        try:
            report = read(mistyped.text, meant.received_at)
        except UnreadText:
            counts[f"{kind} refused"] += 1
            continue
        if report.doubt:
            counts[f"{kind} in doubt"] += 1
            continue
        error = abs(report.valid_time - meant.valid_time)
        same = (report.city, report.observation) == (meant.city, meant.observation)
        counts[f"{kind} believed"] += 1
        counts["believed wrongly"] += not same or error > LARGEST_ERROR
        counts[f"{kind} with another time, at most 75 min off"] += same and bool(error)
        counts[f"{kind} with another depth"] += report.depth_cm != meant.depth_cm
    return counts


def test_of_500_mistyped_texts_none_is_believed_wrongly() -> None:
    counts = count_mistyped(500, seed=20260820, hard_share=0.5)
    sys.stdout.writelines(f"{name}: {count}\n" for name, count in sorted(counts.items()))
    assert counts["readable"] + counts["hard"] == 500
    assert counts["believed wrongly"] == 0
    assert counts["readable believed"] >= 0.95 * counts["readable"]
    assert counts["readable with another depth"] == 0
    assert counts["readable with another time, at most 75 min off"] == 0
    assert min(counts["readable"], counts["hard believed"], counts["hard refused"]) >= 50


def test_of_other_500_that_a_person_cannot_be_sure_of_none_is_believed_wrongly() -> None:
    counts = count_mistyped(500, seed=1, hard_share=1.0)
    sys.stdout.writelines(f"{name}: {count}\n" for name, count in sorted(counts.items()))
    assert counts["believed wrongly"] == 0


def test_the_generator_does_every_kind_of_damage() -> None:
    kinds = {kind for text in mistype(CITIES, count=500, seed=20260820) for kind in text.damage}
    assert kinds == {*READABLE, *HARD}
