from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.geography.places import cities
from pipeline.ground_reports.city_codes import cities_by_number
from pipeline.ground_reports.drop import BadRow, find_city, read_drop, read_time
from pipeline.ground_reports.reports import GroundReport, pseudonym

CITIES = cities_by_number()
KEY = b"key"
HEAD = "received_at,sender,city,observation,depth_cm,time"
SEEN = datetime(2026, 8, 20, 7, 5, tzinfo=UTC)
RECEIVED = datetime(2026, 8, 20, 7, 20, tzinfo=UTC)


def drop(
    folder: Path, *lines: str, encoding: str = "utf-8", latest: datetime | None = None
) -> tuple[list[GroundReport], list[BadRow]]:
    path = folder / "drop.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return read_drop(path, cities=CITIES, key=KEY, latest=latest)


def test_a_row_with_a_text_and_one_with_columns(tmp_path: Path) -> None:
    (text, row), bad = drop(
        tmp_path,
        "received_at,sender,text,city,observation,depth_cm,time",
        "2026-08-20T14:20:00+07:00,+66 81 234 5678,FL 17U 30 1405,,,,",
        "2026-08-20T14:20:00+07:00,+66 81 234 5679,,bueng_kan,Flooded,30,2026-08-20T14:05",
    )
    assert bad == []
    assert (text.channel, row.channel) == ("text", "csv")
    assert text.text == "FL 17U 30 1405"
    for report, number in ((text, "+66812345678"), (row, "+66812345679")):
        assert (report.city, report.observation, report.depth_cm) == ("bueng_kan", "flooded", 30)
        assert (report.valid_time, report.received_at) == (SEEN, RECEIVED)
        assert report.sender == pseudonym(number, key=KEY)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_columns_in_any_order_parted_by_other_signs(tmp_path: Path, sign: str) -> None:
    lines = (f"Text{sign}Sender {sign}received_at", f"DR 17U 1405{sign}A{sign}2026-08-20T07:20Z")
    (report,), bad = drop(tmp_path, *lines, encoding="utf-8-sig")
    assert (report.observation, bad) == ("dry", [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-08-20T14:20,A,pakse,dry,,2026-08-20T14:05", "received_at: expected an offset"),
        ("today,A,pakse,dry,,2026-08-20T14:05", "received_at: expected a time as"),
        ("2026-08-20T07:20Z,,pakse,dry,,2026-08-20T14:05", "sender: expected who sent it"),
        ("2026-08-20T07:20Z,A,26,dry,,2026-08-20T14:05", "city: expected an id as phnom_penh"),
        ("2026-08-20T07:20Z,A,pakse,wet,,2026-08-20T14:05", "observation: expected flooded or dry"),
        ("2026-08-20T07:20Z,A,pakse,dry,5,2026-08-20T14:05", "depth_cm: expected none of dry"),
        ("2026-08-20T07:20Z,A,pakse,flooded,0.3,2026-08-20T14:05", "depth_cm: expected whole cm"),
        ("2026-08-20T07:20Z,A,pakse,flooded,501,2026-08-20T14:05", "depth_cm: expected whole cm"),
        ("2026-08-20T07:20Z,A,pakse,dry,,2026-08-20T14:36", "time: expected a time of the 31 days"),
        ("2026-08-20T07:20Z,A,pakse,dry,,2026-07-20T14:05", "time: expected a time of the 31 days"),
        ("2026-08-20T07:20Z,A,pakse,dry,,2026-08-20", "time: expected a time as"),
        ("2026-08-20T07:20Z,A,pakse,dry", "time: expected a time as"),
        ("2026-08-20T07:20Z,A,pakse,dry,,2026-08-20T14:05,x", "expected as many cells as columns"),
        ("2026-08-20T07:31Z,A,pakse,dry,,2026-08-20T14:05", "received_at: expected no later than"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_read(tmp_path: Path, row: str, reason: str) -> None:
    good = "2026-08-20T07:20Z,A,kratie,dry,,2026-08-20T14:05"
    latest = datetime(2026, 8, 20, 7, 30, tzinfo=UTC)
    reports, (bad,) = drop(tmp_path, HEAD, row, good, latest=latest)
    assert [report.city for report in reports] == ["kratie"]
    assert str(bad).startswith(f"drop.csv, line 2: {reason}")
    assert bad.answer == ""


def test_an_unread_text_is_named_with_the_line_to_send_back(tmp_path: Path) -> None:
    reports, (bad,) = drop(
        tmp_path, "received_at,sender,text", "2026-08-20T07:20Z,A,FL 17X 30 1405"
    )
    assert reports == []
    assert bad.reason.endswith("as on the card, found 17X: 'FL 17X 30 1405'")
    assert bad.answer.startswith("Not read. The code 17X is unknown.")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected columns received_at, sender, text or "),
        (b"sender,text\nA,FL 17U 30 1405\n", "expected columns received_at, sender, text or "),
        (b"received_at,sender,text\n2026,\xff,FL\n", "expected CSV in UTF-8, found: "),
        (b'received_at,sender,text\n2026,A,"FL" x\n', "expected CSV in UTF-8, found: "),
    ],
)
def test_a_file_that_is_no_drop_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "drop.csv"
    path.write_bytes(content)
    reports, (bad,) = read_drop(path, cities=CITIES, key=KEY, latest=None)
    assert reports == []
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    "bad",
    [
        b'2026-08-20T07:20Z,B,"FL 17U 30 1405',
        b'2026-08-20T07:20Z,B,"FL" 17U',
        b"2026-08-20T07:20Z,\xff,FL 17U 30 1405",
        b"2026-08-20T07:20Z,B," + b"F" * 140_000,
        b"2026-08-20T07:20Z,B," + b"F" * 1_001,
    ],
    ids=["open quote", "text after a quote", "another encoding", "endless cell", "long cell"],
)
def test_a_damaged_row_keeps_no_other_out(tmp_path: Path, bad: bytes) -> None:
    good = [f"2026-08-20T07:20Z,{name},FL 17U 30 1405".encode() for name in "ACD"]
    path = tmp_path / "drop.csv"
    path.write_bytes(b"\n".join([b"received_at,sender,text", good[0], bad, *good[1:], b""]))
    reports, (row,) = read_drop(path, cities=CITIES, key=KEY, latest=None)
    assert [report.city for report in reports] == ["bueng_kan"] * 3
    assert row.line == 3
    assert row.reason.startswith("expected CSV in UTF-8, found: ")


def test_a_city_by_its_code_needs_the_letter() -> None:
    assert find_city("17u", CITIES).id == find_city("bueng_kan", CITIES).id == "bueng_kan"
    with pytest.raises(ValueError, match="expected an id as phnom_penh or a code as 17U"):
        find_city("17", CITIES)


def test_a_time_without_offset_is_on_the_citys_clock() -> None:
    mandalay = cities()["mandalay"]
    assert read_time("2026-08-20T13:35", column="time", city=mandalay) == SEEN
    assert read_time("2026-08-20 14:05+07:00", column="time", city=mandalay) == SEEN
