from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import typer

from pipeline.command_options import issue_time, parse_day, read_settings


def test_a_date_is_parsed_once() -> None:
    assert parse_day("2026-04-10") == parse_day(date(2026, 4, 10)) == date(2026, 4, 10)


@pytest.mark.parametrize("text", ["x", "2026-13-01", "1899-12-31", "2201-01-01", ""])
def test_other_texts_and_far_years_are_no_dates(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"expected a date like 2026-04-10, of 1900 to"):
        parse_day(text)


def test_a_night_is_issued_half_past_midnight() -> None:
    assert issue_time(date(2026, 4, 10)) == datetime(2026, 4, 10, 0, 30, tzinfo=UTC)
    assert issue_time(None) == datetime(2026, 8, 20, 0, 30, tzinfo=UTC), "the showcase flood"
    last = issue_time(None, "internet")
    now = datetime.now(UTC)
    assert now - timedelta(days=1, minutes=1) < last <= now


def test_another_upstream_is_that_of_the_option() -> None:
    assert read_settings("archive").upstream == "archive"
    assert read_settings().upstream == "virtual"
