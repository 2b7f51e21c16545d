"""Tables of stages: each figure by hand, and read by programs of others."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import frictionless
import numpy as np
import pandas as pd
import pytest

from models.stage.names import HIGHEST, QUANTILES
from pipeline.exchange.forecast_files import (
    FORECAST_COLUMNS,
    STAGE_COLUMNS,
    list_by_gauge,
    read_table,
    write_forecasts,
    write_stages,
)
from pipeline.exchange.issue import Issue
from tests.issuance.forecast_cases import stages

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
ISSUE = Issue(issue_time=ISSUED, status="Exercise", origin="virtual")
VIENTIANE, PAKSE = "011901", "013901"
PRISM = ["station_id", "station_name", "river_name", "lon", "lat", "forecast_issue_date"]
"""First columns of the table of discharge that WFP's PRISM reads, before ``valid_time``."""


def forecast(code: str = VIENTIANE, /, **changed: Any) -> pd.DataFrame:
    """Two days: quantiles 10.00 to 10.08 m, 0.5 m higher on the second."""
    days = [
        {
            "issue_time": pd.Timestamp("2026-08-20 00:30"),
            "station": code,
            "lead_days": lead,
            "valid_time": pd.Timestamp("2026-08-20") + pd.Timedelta(days=lead),
            **{name: 9.5 + 0.5 * lead + 0.01 * k for k, name in enumerate(QUANTILES)},
            "mean_m": 9.5449 + 0.5 * lead,
            "p_alarm": 0.25 * lead,
            "p_flood": 0.1 * lead,
            "p_alarm_by": 0.3 * lead,
            "p_flood_by": 1 / 3,
            "highest_m": {name: 9.5 + 0.5 * lead + level for name, level in HIGHEST.items()},
            "tier": "full",
            "issued_as": "model",
            "skilful_until_day": 5,
            "extrapolated": lead == 2,
        }
        | changed
        for lead in (2, 1)
    ]
    return pd.DataFrame(days)


def readings(times: list[str], code: str = VIENTIANE, method: str = "manual") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": code,
            "valid_time": pd.to_datetime(times),
            "value": 10.0 + 0.1111 * np.arange(len(times)),
            "qc": "good",
            "method": method,
        }
    )


def table_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_forecast_by_hand() -> None:
    first, second = table_of(write_forecasts(forecast(), ISSUE))
    assert [*first] == [*FORECAST_COLUMNS]
    assert [*first][:7] == [*PRISM, "valid_time"]
    assert [first[name] for name in PRISM] == [
        "011901", "Vientiane KM4", "Mekong", "102.616", "17.931", "2026-08-20",
    ]  # fmt: skip
    assert (first["variable"], first["unit"], first["status"]) == ("stage", "m", "Exercise")
    assert (first["issue_time"], first["lead_days"]) == ("2026-08-20T00:30:00Z", "1")
    assert [row["valid_time"] for row in (first, second)] == [
        "2026-08-21T00:00:00Z",
        "2026-08-22T00:00:00Z",
    ]
    assert [first[f"{name}_m"] for name in ("q025", "q50", "q975")] == ["10.0", "10.04", "10.08"]
    assert (first["mean_m"], second["mean_m"]) == ("10.045", "10.545")
    assert [second[name] for name in ("p_alarm", "p_flood", "p_alarm_by", "p_flood_by")] == [
        "0.5", "0.2", "0.6", "0.333333",
    ]  # fmt: skip
    assert (first["alarm_m"], first["flood_m"]) == ("11.5", "12.5")
    assert [second[f"highest_{name}_m"] for name in ("q005", "q50", "q995")] == [
        "10.505", "11.0", "11.495",
    ]  # fmt: skip
    assert (first["tier"], first["issued_as"], first["skilful_until_day"]) == ("full", "model", "5")
    assert (first["extrapolated"], second["extrapolated"]) == ("false", "true")


def test_a_gauge_that_cannot_be_forecast_has_empty_fields_and_no_zero() -> None:
    blank = [*QUANTILES, "mean_m", "p_alarm", "p_flood", "p_alarm_by", "p_flood_by"]
    nothing: dict[str, Any] = dict.fromkeys(blank, math.nan)
    unknown = dict.fromkeys(HIGHEST, math.nan)
    rows = table_of(
        write_forecasts(forecast(**nothing, highest_m=unknown, skilful_until_day=0), ISSUE)
    )
    for row in rows:
        known = {name for name, value in row.items() if value}
        assert known == {
            *PRISM, "valid_time", "variable", "unit", "status", "issue_time", "lead_days",
            "alarm_m", "flood_m", "skilful_until_day",
        }  # fmt: skip
        assert row["skilful_until_day"] == "0"


def test_a_run_of_before_has_no_quantiles_of_the_highest_stage() -> None:
    old = forecast().drop(columns=["highest_m", "issued_as", "skilful_until_day"])
    rows = table_of(write_forecasts(old, ISSUE))
    assert {row["highest_q50_m"] for row in rows} == {""}
    assert {row["issued_as"] + row["skilful_until_day"] for row in rows} == {""}
    assert {row["q50_m"] for row in rows} == {"10.04", "10.54"}
    some = pd.concat([forecast(), old.assign(station=PAKSE)], ignore_index=True)
    found = [row["highest_q50_m"] for row in table_of(write_forecasts(some, ISSUE))]
    assert found == ["10.5", "11.0", "", ""]


def test_a_gauge_that_the_table_does_not_have_is_a_bare_code() -> None:
    row = table_of(write_forecasts(forecast("999999"), ISSUE))[0]
    assert row["station_id"] == "999999"
    assert {row[name] for name in ("station_name", "lon", "lat", "alarm_m")} == {""}


@pytest.mark.parametrize("columns", [[], ["station", "lead_days", "tier", "valid_time"]])
def test_no_forecast_is_a_table_without_rows(columns: list[str]) -> None:
    content = write_forecasts(pd.DataFrame(columns=columns), ISSUE)
    assert content.decode() == ",".join(FORECAST_COLUMNS) + "\n"
    assert read_table(content).empty
    assert write_stages(readings([]), ISSUE).decode() == ",".join(STAGE_COLUMNS) + "\n"


def test_observed_stages_by_hand() -> None:
    used = readings(["2026-08-20", "2026-08-19"])
    first, last = table_of(write_stages(used, ISSUE))
    assert first == {
        "station_id": "011901", "station_name": "Vientiane KM4", "river_name": "Mekong",
        "lon": "102.616", "lat": "17.931", "valid_time": "2026-08-19T00:00:00Z",
        "variable": "stage", "unit": "m", "status": "Exercise", "stage_m": "10.111",
        "quality": "good", "method": "manual",
    }  # fmt: skip
    assert (last["valid_time"], last["stage_m"]) == ("2026-08-20T00:00:00Z", "10.0")


def test_a_sensor_has_one_row_an_hour_beside_those_of_the_observer() -> None:
    every_quarter = [f"2026-08-20 0{hour}:{minute:02}" for hour in (0, 1) for minute in (0, 15, 45)]
    used = pd.concat(
        [
            readings(every_quarter, method="telemetry"),
            readings(["2026-08-20 00:00", "2026-08-20 00:30"]),
        ],
        ignore_index=True,
    )
    rows = table_of(write_stages(used, ISSUE))
    assert [(row["valid_time"][11:16], row["method"]) for row in rows] == [
        ("00:00", "manual"),
        ("00:30", "manual"),
        ("00:45", "telemetry"),
        ("01:45", "telemetry"),
    ]


def test_pandas_and_frictionless_read_both_tables(tmp_path: Path) -> None:
    forecasts = stages(ISSUED)
    paths = tmp_path / "forecasts.csv", tmp_path / "stages.csv"
    paths[0].write_bytes(write_forecasts(forecasts, ISSUE))
    days = [f"2026-07-{day:02}" for day in range(1, 31)]
    paths[1].write_bytes(write_stages(readings(days), ISSUE))
    for path, columns in zip(paths, (FORECAST_COLUMNS, STAGE_COLUMNS), strict=True):
        table = pd.read_csv(path, dtype={"station_id": str}, parse_dates=["valid_time"])
        assert [*table.columns] == [*columns]
        assert (table["station_id"].str.len() == 6).all()
        assert str(table["valid_time"].dt.tz) == "UTC"
        numbers = {name for name in columns if name.endswith("_m")} | {"lon", "lat"}
        numbers |= {name for name in columns if name.startswith("p_")}
        fields = [
            {"name": name, "type": "number" if name in numbers else "string"} for name in columns
        ]
        fields[columns.index("valid_time")] = {"name": "valid_time", "type": "datetime"}
        resource = frictionless.Resource(
            path=path.name,
            basepath=str(tmp_path),
            schema=frictionless.Schema.from_descriptor({"fields": fields}),
        )
        report = resource.validate()
        assert report.valid, report.flatten(["rowNumber", "fieldName", "message"])
        assert report.tasks[0].stats["rows"] == len(table) > 0
    table = pd.read_csv(paths[0])
    assert table["q50_m"].to_numpy() == pytest.approx(forecasts["q50"], abs=5e-4, nan_ok=True)
    assert len(paths[0].read_bytes()) < 150_000


def test_rows_of_a_gauge_come_back_with_none_for_what_is_not_known() -> None:
    unknown = forecast(PAKSE, mean_m=math.nan, tier="no_rain")
    content = write_forecasts(pd.concat([forecast(), unknown], ignore_index=True), ISSUE)
    by_gauge = list_by_gauge(read_table(content))
    first, _ = by_gauge[PAKSE]
    assert (first["station_id"], first["mean_m"], first["q50_m"]) == (PAKSE, None, 10.04)
    assert (first["lead_days"], first["tier"], first["extrapolated"]) == (1, "no_rain", False)
    assert [*by_gauge] == [VIENTIANE, PAKSE]
    assert by_gauge[VIENTIANE][1]["mean_m"] == 10.545
    assert list_by_gauge(read_table(write_forecasts(pd.DataFrame(), ISSUE))) == {}
