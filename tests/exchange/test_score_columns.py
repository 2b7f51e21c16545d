"""The columns of the scoreboard are those that are written, and its tables are as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from frictionless import Report, system, validate

from models.verification.ground_truth import REPORT_COLUMNS
from models.verification.outcomes import DROUGHTS, FLOODS
from models.verification.return_levels import RETURN_YEARS
from models.verification.scoreboard import (
    CHANGES,
    HAZARDS,
    LEVELS,
    MISS_COLUMNS,
    RELIABILITY_COLUMNS,
    SCORE_COLUMNS,
    WARNING_COLUMNS,
    make_scoreboard,
    write_scoreboard,
)
from pipeline.exchange.datapackage import TABLES, write_datapackage
from pipeline.exchange.score_columns import EVENTS, WARNINGS
from pipeline.ground_reports.reports import GroundReport, GroundReports
from pipeline.storage.records import Records
from tests.models.verification.issued_cases import (
    ONE_WARNED,
    TWO_FLOODS,
    drought_row,
    message,
    moment,
    stage_row,
    store_night,
    store_nights,
    store_readings,
)

ASOF = moment(70)
NAMES = {
    "scoreboard.csv": SCORE_COLUMNS, "misses.csv": MISS_COLUMNS,
    "reliability.csv": RELIABILITY_COLUMNS, "warnings.csv": WARNING_COLUMNS,
    "ground_reports.csv": REPORT_COLUMNS,
}  # fmt: skip


def write_tree(folder: Path, files: dict[str, bytes]) -> None:
    files = {**files, "datapackage.json": write_datapackage(files, issue_time=ASOF, status="Test")}
    for name, content in files.items():
        (folder / name).write_bytes(content)


def check(folder: Path) -> Report:
    with system.use_context(trusted=True):
        report: Report = validate(folder / "datapackage.json")
    return report


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Two floods of which one was warned of, a drought, reports, and a message withdrawn."""
    store = Records(f"sqlite:///{tmp_path_factory.mktemp('store')}/records.db")
    rows = {day: [stage_row(day, lead, p=0.3) for lead in (1, 5)] for day in range(60)}
    store_nights(store, ONE_WARNED, stages=rows)
    for day in range(70, 100):
        chain = [message(moment(day), "watch", hazard="drought")] if day > 80 else []
        store_night(
            store, moment(day), "watch" if chain else "none", hazard="drought", chain=chain,
            droughts=[drought_row("D1" if 85 <= day <= 90 else "none", 0.1)],
        )  # fmt: skip
    store_readings(store, TWO_FLOODS, asof=ASOF)
    seen = moment(38.25)
    reports = [GroundReport("s", "pakse", "flooded", None, seen, seen, "text", "")]
    GroundReports(store.database).add(reports, asof=seen)
    return write_scoreboard(make_scoreboard(store, asof=moment(100)))


def test_the_names_are_those_that_are_written() -> None:
    described = {name: [column.name for column in TABLES[name].columns] for name in NAMES}
    assert described == NAMES


def test_closed_values_are_those_of_the_scoreboard() -> None:
    names = [event.name for event in (*FLOODS, *DROUGHTS)]
    assert {*EVENTS} == {*names, *(f"{years}_year" for years in RETURN_YEARS)}
    for columns in (TABLES[name].columns for name in NAMES):
        values = {column.name: [*column.values] for column in columns}
        assert values.get("hazard", HAZARDS) == HAZARDS
        assert [*values.get("level", LEVELS[:-1]), ""] == LEVELS
    assert {column.name: [*column.values] for column in WARNINGS}["change"] == CHANGES


def test_a_scoreboard_is_valid(written: dict[str, bytes], tmp_path: Path) -> None:
    write_tree(tmp_path, written)
    report = check(tmp_path)
    assert report.valid, report.flatten(["title", "message"])
    rows = {task.place.rpartition("/")[2]: task.stats["rows"] for task in report.tasks}
    assert rows == {name: content.count(b"\n") - 1 for name, content in written.items()}
    assert all(rows.values()), "no table is empty here"


def test_an_empty_scoreboard_is_valid(tmp_path: Path) -> None:
    write_tree(tmp_path, write_scoreboard(make_scoreboard(Records("sqlite://"), asof=ASOF)))
    report = check(tmp_path)
    assert report.valid, report.flatten(["title", "message"])
    assert report.stats["tasks"] == 5


@pytest.mark.parametrize(
    ("table", "change", "fault"),
    [
        ("scoreboard.csv", (",flood,watch,alarm,", ",flood,none,alarm,"), "level"),
        ("scoreboard.csv", (",alarm,1,", ",alarm,0,"), "lead_days"),
        ("misses.csv", ("virtual,", "simulated,"), "origin"),
        ("misses.csv", ("T00:00:00Z,", "T07:00:00+07:00,"), "reached_time"),
        ("reliability.csv", (",0.3,", ",30,"), "p_mean"),
        ("warnings.csv", (",new,", ",more,"), "change"),
        ("ground_reports.csv", ("virtual,Exercise,all,0,1,", "virtual,Exercise,all,0,,"), "misses"),
    ],
)
def test_a_wrong_value_is_found(
    written: dict[str, bytes], tmp_path: Path, table: str, change: tuple[str, str], fault: str
) -> None:
    text = written[table].decode()
    assert change[0] in text
    write_tree(tmp_path, {table: text.replace(*change, 1).encode()})
    assert [column for (column,) in check(tmp_path).flatten(["fieldName"])] == [fault]
