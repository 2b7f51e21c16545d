from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from pipeline.geography.places import cities
from pipeline.ground_reports.coded_text import Observation
from pipeline.ground_reports.reports import GroundReport
from pipeline.ground_reports.summary import describe_summary, summarise, write_reports

ASOF = datetime(2026, 8, 20, 8, 0, tzinfo=UTC)
"""15:00 in Pakse, whose day began at 17:00 UTC of the day before."""


def report(
    hours: float, observation: Observation, depth_cm: int | None = None, *,
    sender: str = "a", city: str = "pakse", doubt: str = "",
) -> GroundReport:  # fmt: skip
    seen = ASOF - timedelta(hours=hours)
    return GroundReport(sender, city, observation, depth_cm, seen, seen, "text", "", doubt)


REPORTS = [
    report(15.5, "flooded", 200),  # 23:30 of yesterday
    report(15, "flooded", 20),  # 00:00
    report(3, "flooded", 60, sender="b"),
    report(2, "flooded"),
    report(1, "dry", sender="c"),
    report(0.5, "flooded", 300, sender="d", doubt="late"),
    report(1, "flooded", doubt="late", city="kratie"),
    report(15.5, "dry", city="vientiane"),
    report(1, "dry", city="singapore"),
]


def test_counts_since_the_citys_morning() -> None:
    summaries = summarise(REPORTS, asof=ASOF, cities=cities())
    assert list(summaries) == ["pakse", "kratie"], "no entry where nobody reported"
    pakse = summaries["pakse"]
    assert (pakse.flooded, pakse.dry, pakse.senders, pakse.in_doubt) == (3, 1, 3, 1)
    assert (pakse.deepest_cm, pakse.last_time) == (60, ASOF - timedelta(hours=1))
    assert pakse.since == datetime(2026, 8, 19, 17, tzinfo=UTC)
    kratie = summaries["kratie"]
    assert (kratie.flooded, kratie.in_doubt, kratie.deepest_cm, kratie.last_time) == (
        0, 1, None, None,
    )  # fmt: skip


def test_a_line_for_people() -> None:
    summaries = summarise(REPORTS, asof=ASOF, cities=cities())
    assert describe_summary(summaries["pakse"]) == (
        "4 reports since morning: 3 flooded, up to 60 cm, 1 dry; from 3 senders"
    )
    assert describe_summary(summaries["kratie"]) == "1 report since morning, not confirmed"
    one = summarise([report(1, "dry")], asof=ASOF, cities=cities())["pakse"]
    assert describe_summary(one) == "1 report since morning: 1 dry; from 1 sender"


def test_the_file_says_what_it_is() -> None:
    summaries = summarise(REPORTS, asof=ASOF, cities=cities())
    document = json.loads(write_reports(summaries, asof=ASOF, status="Exercise"))
    assert document["asof"] == "2026-08-20T08:00:00Z"
    assert document["status"] == "Exercise"
    assert "A city without reports is not known to be dry." in document["note"]
    assert document["cities"]["pakse"] == {
        "flooded": 3,
        "dry": 1,
        "senders": 3,
        "in_doubt": 1,
        "deepest_cm": 60,
        "last_time": "2026-08-20T07:00:00Z",
        "since": "2026-08-19T17:00:00Z",
        "text": "4 reports since morning: 3 flooded, up to 60 cm, 1 dry; from 3 senders",
    }
    assert document["cities"]["kratie"]["deepest_cm"] is None
    assert document["cities"]["kratie"]["last_time"] is None


def test_no_sender_and_no_text_is_published() -> None:
    reports = [report(1, "flooded", sender="0123456789abcdef")]
    written = write_reports(
        summarise(reports, asof=ASOF, cities=cities()), asof=ASOF, status="Test"
    )
    assert b"0123456789abcdef" not in written
