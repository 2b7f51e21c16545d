"""Stamps to UTC: spellings, Buddhist years, order of day and month, zones and the shift."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from pipeline.sources.gauges.stamps import SHIFT, find_midnight_stamps, parse_zone, to_utc


def read(*stamps: str | None, zone: str | None = None) -> tuple[list[str], list[str]]:
    """Times in words, empty where unreadable, and what the file told."""
    parsed = to_utc(pd.Series(stamps, dtype=object), zone=parse_zone(zone) if zone else None)
    assert (parsed.time.isna() == (parsed.expected != "")).all()
    return parsed.time.dt.strftime("%Y-%m-%d %H:%M").fillna("").tolist(), list(parsed.remarks)


@pytest.mark.parametrize(
    "stamp",
    ["2026-08-20T07:00:00+07:00", "2026-08-20 00:00Z", "2026-08-20T07:00+07",
     "2026-08-20T0700+0700", "2026/8/20 7:00 UTC+7", "20260820T070000+07:00", "2026-08-19T24:00Z",
     "2026-08-20T00:00:00.000Z", "20 Aug 2026 07:00 +07:00", "๒๐๒๖-๐๘-๒๐ ๐๗:๐๐ +07:00",
     "20/08/2026 12:00 AM UTC"],
)  # fmt: skip
def test_one_moment_in_many_spellings(stamp: str) -> None:
    assert read(stamp)[0] == ["2026-08-20 00:00"]


@pytest.mark.parametrize(
    "stamp",
    ["2026-08-20", "2026-08-20T07:00:00", "2026-02-30T00:00Z", "2026-08-20T25:00Z", "abc", "", None,
     "2026-08-20T00:00:60Z", "2026-08-20T07:00:00+15:00", "9999-12-31T24:00Z", "0001-01-01T00:00Z",
     "3000-08-18T07:00Z", "05/08/2026 07:00Z", "20/08/69 07:00Z", "2026-08-20T07:00 ICT",
     "2026-13-01T00:00Z", "20/20/2026 07:00Z"],
)  # fmt: skip
def test_unreadable_stamps(stamp: str | None) -> None:
    assert read(stamp, "2026-08-20T00:00Z")[0] == ["", "2026-08-20 00:00"]


def test_buddhist_years_of_a_whole_file_are_taken_back() -> None:
    times, remarks = read("2569-08-18T07:00:00+07:00", "2567-02-29 07:00 +0700")
    assert times == ["2026-08-18 00:00", "2024-02-29 00:00"], "29 February by the year it is"
    assert remarks == ["Buddhist years are taken back by 543: 2569 is 2026"]
    times, remarks = read("20/08/2569 07.00 น.", "20 ส.ค. 2569 08:00", zone="Asia/Bangkok")
    assert times == ["2026-08-20 00:00", "2026-08-20 01:00"]
    assert remarks[1] == "dates are read with the day before month, as the whole file shows"


def test_a_buddhist_year_among_others_is_unreadable() -> None:
    parsed = to_utc(pd.Series(["2569-08-18T07:00+07:00", "2026-08-19T07:00+07:00"]))
    assert parsed.time.isna().tolist() == [True, False]
    assert parsed.expected[0] == "years of one calendar in the whole file"
    assert parsed.remarks == ()


def test_the_whole_file_tells_the_order_of_day_and_month() -> None:
    assert read("8/20/2026 7:00 AM", "8/2/2026 12:00 PM", zone="+7")[0] == [
        "2026-08-20 00:00", "2026-08-02 05:00"
    ]  # fmt: skip
    assert read("20.08.2026 07:00", "02.08.2026 07:00", zone="+7")[0][1] == "2026-08-02 00:00"
    assert read("8/20/2026 7:00", "20/8/2026 7:00", zone="+7")[0] == ["", ""]


@pytest.mark.parametrize("typo", ["31/13/2026 07:00", "08/20/2026 07:00"])
def test_one_date_of_another_order_costs_itself(typo: str) -> None:
    july = [f"{day:02d}/07/2026 07:00" for day in range(1, 32)]
    times, remarks = read(*july, typo, zone="+7")
    assert times == [*(f"2026-07-{day:02d} 00:00" for day in range(1, 32)), ""]
    assert remarks == ["dates are read with the day before month, as the whole file shows"]


def test_a_single_date_is_not_believed_against_days_in_a_row() -> None:
    days = [f"2026-07-{day:02d} 00:00" for day in range(1, 13)]
    july = [f"{day:02d}/07/2026 07:00" for day in range(1, 13)]
    assert read(*july, "07/20/2026 07:00", zone="+7")[0] == [*days, ""]
    american = [f"07/{day:02d}/2026 07:00" for day in range(1, 13)]
    assert read(*american, "07/13/2026 07:00", zone="+7")[0] == [*days, "2026-07-13 00:00"]
    assert read(*american, "20/07/2026 07:00", zone="+7")[0] == [*days, ""]
    assert not any(read(*july, zone="+7")[0]), "a file of months would look the same"
    months = [f"01/{month:02d}/2026 07:00" for month in range(1, 13)]
    assert read(*months[:3], "15/03/2026 07:00", *months[3:], zone="+7")[0][2:5] == [
        "2026-03-01 00:00", "2026-03-15 00:00", "2026-04-01 00:00"
    ]  # fmt: skip
    mondays = ["07/06/2026 07:00", "07/13/2026 07:00", "07/20/2026 07:00", "27/07/2026 07:00"]
    assert read(*mondays, zone="+7")[0] == [
        "2026-07-06 00:00", "2026-07-13 00:00", "2026-07-20 00:00", ""
    ]  # fmt: skip
    halves = [f"{day}/07/2026 07:00" for day in (14, 15, 16)]
    assert not any(read(*halves, "07/17/2026 07:00", "07/18/2026 07:00", zone="+7")[0])


def test_zones() -> None:
    assert read("2026-08-20 07:00", "2026-08-20 07:00Z", zone="Asia/Yangon")[0] == [
        "2026-08-20 00:30", "2026-08-20 07:00"
    ]  # fmt: skip
    for name in ("Asia/Nowhere", "../etc/passwd", "+15:00", "", "7"):
        with pytest.raises(ValueError, match=r"a time zone like Asia/Bangkok or \+07:00"):
            parse_zone(name)


def early(*stamps: str) -> list[bool]:
    return find_midnight_stamps(pd.Series(pd.to_datetime(list(stamps)))).tolist()


def test_the_portal_shift_is_told_per_stretch() -> None:
    assert early(
        "2021-02-26 17:00", "2021-02-27 05:00", "2021-02-27 17:00", "2021-02-28 05:00",
        "2021-03-01 00:00", "2021-03-01 12:00", "2021-03-02 00:00",
    ) == [True] * 4 + [False] * 3  # fmt: skip
    assert early("1960-01-01 17:00", "1960-01-02 17:00", "1960-01-03 17:00") == [True] * 3
    assert timedelta(hours=7) == SHIFT


def test_an_extra_reading_at_noon_is_no_shift() -> None:
    assert not any(
        early("2021-08-01 00:00", "2021-08-01 12:00", "2021-08-02 05:00", "2021-08-03 00:00")
    )
    assert not any(early("2021-08-01 00:00", "2021-08-01 05:00", "2021-08-01 12:00"))
    assert not any(early("2021-08-01 05:00", "2021-08-02 05:00", "2021-08-03 05:00"))


def test_readings_of_every_hour_and_every_third() -> None:
    hourly = pd.Series(pd.date_range("2020-01-01", periods=72, freq="h"))
    assert not find_midnight_stamps(hourly).any()
    delta = pd.Series(pd.date_range("2020-01-01", periods=64, freq="3h"))
    assert not find_midnight_stamps(delta).any()
    assert find_midnight_stamps(delta - SHIFT).all()


def local(*stamps: str) -> pd.Series[pd.Timestamp]:
    """Times of observers, UTC+7, as naive UTC."""
    return pd.Series(pd.to_datetime(list(stamps))) - SHIFT


def test_a_shifted_stretch_goes_on_through_days_of_other_hours() -> None:
    """Hourly readings of a flood, one at 14:00 and a round-the-clock day, stamped 7 h early."""
    hours: dict[int, tuple[int, ...]] = dict.fromkeys(range(1, 21), (7, 19))
    hours |= {9: tuple(range(6, 21)), 10: tuple(range(6, 21)), 11: (7, 14, 19), 12: (14,),
              13: tuple(range(24)), 17: (7, 10, 13, 16, 19)}  # fmt: skip
    right = local(*(f"2018-08-{day:02d} {hour}:00" for day in hours for hour in hours[day]))
    assert find_midnight_stamps(right - SHIFT).all()
    assert not find_midnight_stamps(right).any()


def test_noon_alone_and_clocks_off_by_minutes() -> None:
    evenings = local(*(f"2018-08-{day:02d} 19:00" for day in range(1, 11)))
    assert find_midnight_stamps(evenings - SHIFT).all()
    assert not find_midnight_stamps(evenings).any()
    both = local(*(f"2018-08-{day:02d} {at}" for day in range(1, 11) for at in ("07:02", "18:58")))
    assert find_midnight_stamps(both - SHIFT).all()
    assert not find_midnight_stamps(both).any()
    early_clock = local(*(f"2018-08-{day:02d} 06:57" for day in range(1, 11)))
    assert find_midnight_stamps(early_clock - SHIFT).all()
    july = local(*(f"2018-07-{day:02d} 07:00" for day in range(1, 32)))
    assert find_midnight_stamps(pd.concat([july, evenings], ignore_index=True) - SHIFT).all()


def test_a_series_that_is_stamped_right_is_never_shifted() -> None:
    """With extra readings at noon and midnight, at noon alone, and of a month of office hours."""
    daily = [f"2018-08-{day:02d} {hour}" for day in range(1, 31) for hour in ("07:00", "19:00")]
    extra = [f"2018-08-{day:02d} {hour}" for day in range(10, 14) for hour in ("00:00", "12:00")]
    assert not find_midnight_stamps(local(*daily, *extra)).any()
    noons = [f"2018-08-{day:02d} 12:00" for day in range(12, 20)]
    mornings = [stamp for stamp in daily if stamp[:10] not in {noon[:10] for noon in noons}]
    assert not find_midnight_stamps(local(*mornings, *noons)).any()
    office = [f"2018-08-{day:02d} {hour}:00" for day in range(1, 31) for hour in range(8, 18)]
    assert not find_midnight_stamps(local(*office)).any()
    assert not find_midnight_stamps(local("2018-08-01 00:00", *daily[2:])).any()


def test_the_portal_stamps_right_from_march_2021() -> None:
    february = local(*(f"2021-02-{day} 07:00" for day in range(20, 29))) - SHIFT
    march = local("2021-03-01 07:00")
    shifted = find_midnight_stamps(pd.concat([february, march], ignore_index=True))
    assert shifted.tolist() == [True] * 9 + [False]
