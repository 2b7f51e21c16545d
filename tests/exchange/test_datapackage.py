"""The descriptor of the published tables, read and checked by an independent library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from frictionless import Package, Report, system, validate

from pipeline.alerts import facts
from pipeline.exchange import alert_files
from pipeline.exchange.datapackage import TABLES, write_datapackage
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial

DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
SECOND_OPINION: list[dict[str, facts.Fact]] = [
    {
        "city": "pakse", "valid_date": "2026-08-20", "available_time": "2026-08-19T18:00:00Z",
        "flow_q10_m3s": 20000.5, "flow_q50_m3s": 21000.0, "flow_q90_m3s": 24000.1,
    }
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    rows = facts.collect_rows(DECISIONS, {}, {}, products={}, origin="virtual", wanted="Test")
    files = {
        "alerts.csv": alert_files.write_csv(rows),
        "second_opinion.csv": alert_files.write_csv(SECOND_OPINION),
    }
    files["datapackage.json"] = write_datapackage(files, issue_time=T0, status="Exercise")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def check(tree: Path) -> Report:
    with system.use_context(trusted=True):
        report: Report = validate(tree / "datapackage.json")
    return report


def faults(tree: Path) -> list[tuple[str, str]]:
    """Kind of each fault and the column it is in."""
    found = check(tree).flatten(["type", "fieldName"])
    return [(kind, column) for kind, column in found]


def test_the_tables_are_valid(tree: Path) -> None:
    report = check(tree)
    assert report.valid, report.flatten(["title", "message"])
    assert report.stats["tasks"] == 2
    assert [task.stats["rows"] for task in report.tasks] == [3, 1]


def test_a_station_keeps_its_zeros(tree: Path) -> None:
    with system.use_context(trusted=True):
        package = Package(tree / "datapackage.json")
        resource = package.get_table_resource("alerts")
        rows = resource.read_rows()
    assert {row["station"] for row in rows} == {"011901", None}
    last = rows[-1]
    assert (last["stage_m"], last["threshold_verified"]) == (9, True)
    assert last["issue_time"].isoformat() == "2026-08-20T00:30:00"


@pytest.mark.parametrize(
    ("table", "right", "wrong", "fault"),
    [
        ("alerts.csv", ",warning,warning,", ",orange,warning,", ("constraint-error", "level")),
        ("alerts.csv", ",Vientiane,LA,", ",Vientiane,,", ("constraint-error", "country")),
        ("alerts.csv", ",011901,11.5,", ",011901,high,", ("type-error", "alarm_m")),
        ("alerts.csv", "2026-08-20T00:30:00Z", "20 August", ("type-error", "issue_time")),
        ("alerts.csv", ",12.5,true,", ",12.5,yes,", ("type-error", "threshold_verified")),
        ("alerts.csv", ",p_flood_5d p", ",p_flood_9d p", ("constraint-error", "reasons")),
        ("alerts.csv", ",station,", ",gauge,", ("incorrect-label", "station")),
        ("second_opinion.csv", "2026-08-20", "2026-08-32", ("type-error", "valid_date")),
    ],
)
def test_a_wrong_value_is_found(
    tree: Path, table: str, right: str, wrong: str, fault: tuple[str, str]
) -> None:
    text = (tree / table).read_text(encoding="utf-8")
    assert right in text
    (tree / table).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    assert faults(tree) == [fault]


def test_only_the_tables_of_the_tree_are_named() -> None:
    written = json.loads(write_datapackage({"alerts.csv"}, issue_time=T0, status="Test"))
    assert [resource["path"] for resource in written["resources"]] == ["alerts.csv"]
    assert written["title"].startswith("Test: ")
    assert written["created"] == "2026-08-20T00:30:00Z"


def test_the_columns_are_those_that_are_written() -> None:
    rows = facts.collect_rows(DECISIONS, {}, {}, products={}, origin="virtual", wanted="Test")
    assert [column.name for column in TABLES["alerts.csv"].columns] == [*rows[0]]
    assert [column.name for column in TABLES["second_opinion.csv"].columns] == [*SECOND_OPINION[0]]
