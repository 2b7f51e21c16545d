"""Canonical series: codes for missing, units, datums, and values that differ for one time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.series import NoReadings, find_interval_ends, make_series, merge_series
from tests.sources.gauges.table_cases import PLAIN, day, notes, plain, values, write, write_export
from tests.sources.portal_exports import make_row


def test_codes_for_missing(tmp_path: Path) -> None:
    codes = ["-9999", "-999.9", "-999", "-999.00", "-9.99e2", "-99.9", "-99", "-888", "-777", "999",
             "999.9", "9999", "99999", "", "NULL", "NA", "n/a", "nan", "***", "---", "-",
             "M"]  # fmt: skip
    stages = [day(1 + at, code) for at, code in enumerate(["99", "99.9", "888", "8888", "-8888"])]
    assert values(
        gauge_files.read(write(tmp_path, "stages.csv", plain(*stages, day(28, 9.99))))
    ) == {"08-28 00:00": 9.99}
    rows = [day(1 + at, code) for at, code in enumerate(codes)]
    frame = gauge_files.read(write(tmp_path, "codes.csv", plain(*rows, day(28, 9.99))))
    assert values(frame) == {"08-28 00:00": 9.99}
    assert notes(frame) == ([], [])
    rain = [row.replace("stage", "rain").replace(",m", ",mm") for row in rows]
    wet = day(28, 99.9, "mm").replace("stage", "rain")
    assert values(gauge_files.read(write(tmp_path, "r.csv", plain(*rain, wet)))) == {
        "08-28 00:00": 99.9
    }


def test_a_code_that_may_be_a_stage_is_left_to_the_history(tmp_path: Path) -> None:
    rows = [day(1, 950, "cm"), day(2, 999, "cm"), day(3, -99, "cm"), day(4, -9999, "cm")]
    frame = gauge_files.read(write(tmp_path, "cm.csv", plain(*rows)))
    assert values(frame) == {"08-01 00:00": 9.5, "08-02 00:00": 9.99, "08-03 00:00": -0.99}
    assert frame["raw"].tolist() == ["950 cm", "999 cm", "-99 cm", ""]
    assert frame["qc"].tolist() == ["good", "good", "good", "missing"]
    flow = [day(at, q, "m3/s").replace("stage", "discharge") for at, q in ((1, 9999), (2, 9998))]
    frame = gauge_files.read(write(tmp_path, "flow.csv", plain(*flow)))
    assert frame["value"].tolist() == [9999.0, 9998.0]
    remark = "1 of discharge 9999 m3/s at 013901 may stand for missing: the other readings"
    assert frame.attrs["said"][0].startswith(remark)


def test_a_datum_above_the_sea_is_restated_however_it_is_spelled(tmp_path: Path) -> None:
    for cell in ("msl", "AMSL", "above mean sea level", "m above sea level"):
        content = plain(f"{day(18, 95.59)},{cell},{cell}", heading=f"{PLAIN},datum,remark")
        frame = gauge_files.read(write(tmp_path, "agency.csv", content))
        assert frame["value"].tolist() == pytest.approx([9.1]), cell


@pytest.mark.parametrize(
    ("parameter", "unit", "value", "variable", "expected"),
    [("Water Level", "cm", 950, "stage", 9.5), ("Water Level", "m", 0, "stage", 0.0),
     ("Water Level", "m", -0.4, "stage", -0.4),
     ("Discharge", "m^3/s", 12000.5, "discharge", 12000.5),
     ("Rainfall", "mm", 0.0, "rain", 0.0)],
)  # fmt: skip
def test_units_become_canonical(  # noqa: PLR0917
    tmp_path: Path, parameter: str, unit: str, value: float, variable: str, expected: float
) -> None:
    row = make_row("2024-08-01T00:00Z", value, unit).replace("Water Level", parameter)
    frame = gauge_files.read(
        write_export(tmp_path, row, name=f"{parameter}.Manual@LA_013901_[Pakse].csv")
    )
    assert frame["variable"].tolist() == [variable]
    assert frame["value"].tolist() == pytest.approx([expected])
    assert frame["raw"].tolist() == ([f"{value} {unit}"] if unit == "cm" else [""])


def test_duplicates_conflicts_and_empty_rows(tmp_path: Path) -> None:
    path = write_export(
        tmp_path,
        make_row("2024-08-03T00:00Z", 5.0),
        make_row("2024-08-01T00:00Z", 1.0), make_row("2024-08-01T00:00Z", 1.0),
        make_row("2024-08-02T00:00Z", 2.0), make_row("2024-08-02T00:00Z", 2.5),
        make_row("2024-08-04T00:00Z", ""), make_row("2024-08-05T00:00Z", -9999),
    )  # fmt: skip
    frame = gauge_files.read(path)
    values = frame["value"].dropna().tolist()
    assert values == [1.0, 2.0, 2.5, 5.0], "both values are kept"
    flags = ["good", "conflict", "conflict", "good", "missing", "missing"]
    assert frame["qc"].tolist() == flags, "what is missing withdraws what was known"


def stages(*values: float, **change: Any) -> pd.DataFrame:
    """Make a series of Pakse, a reading a day."""
    time = pd.Series(pd.date_range("2026-08-18", periods=len(values)))
    said = {"station": "013901", "variable": "stage", "unit": "m", "time": time}
    return make_series(Path("a.csv"), value=pd.Series(values), **(said | change))


def test_levels_above_the_sea_become_stages_where_the_zero_is_verified() -> None:
    verified = stages(95.59, unit="metres", datum="msl").iloc[0]
    assert (round(verified["value"], 6), verified["raw"]) == (9.1, "95.59 m amsl")
    assert verified["qc"] == "good"
    kept = stages(148.5, 149.0, station="012702", datum="msl", qc=pd.Series(["good", "suspect"]))
    assert kept["value"].tolist() == [148.5, 149.0]
    assert kept["qc"].tolist() == ["absolute", "suspect"]
    for wrong in ({"datum": "local"}, {"datum": "msl", "variable": "rain", "unit": "mm"}):
        with pytest.raises(BadGranule, match="expected datum gauge, or msl of a stage, found"):
            stages(9.1, **wrong)
    with pytest.raises(BadGranule, match="expected unit m or cm or mm, found ft at 013901"):
        stages(9.1, unit="ft")


def test_a_row_without_a_time_is_dropped_and_one_without_a_value_is_missing() -> None:
    time = pd.Series(pd.to_datetime(["2026-08-18", "NaT", "2026-08-20", "2026-08-21"]))
    frame = stages(910.0, 920.0, float("nan"), -9999.0, unit="cm", time=time)
    assert frame["valid_time"].dt.day.tolist() == [18, 20, 21]
    assert frame["qc"].tolist() == ["good", "missing", "missing"]
    assert frame["raw"].tolist() == ["910 cm", "", ""]
    assert frame["value"].dropna().tolist() == pytest.approx([9.1])


def test_a_mean_of_a_day_is_known_at_its_end_and_one_of_an_hour_at_once() -> None:
    day = pd.Timedelta(days=1)
    daily = pd.Series(pd.to_datetime(["2026-08-20", "2026-08-18", "2026-08-19"]))
    assert (find_interval_ends(daily) - daily).tolist() == [day] * 3
    hourly = pd.Series(pd.to_datetime(["2026-08-20 00:00", "2026-08-20 23:59"]))
    assert find_interval_ends(hourly).tolist() == hourly.tolist()
    mixed = find_interval_ends(hourly, of_day=pd.Series([True, False]))
    assert (mixed - hourly).tolist() == [day, pd.Timedelta(0)]


def test_series_of_a_file_are_merged_with_their_remarks_once() -> None:
    late, early = stages(9.1, 9.4, station="13901"), stages(9.1, 9.5, method="telemetry")
    other = stages(9.2, station="13901")
    frame = merge_series(Path("a.csv"), [early, late, other], bad_rows=["line 9"], remarks=["x"])
    assert frame[["method", "value", "qc"]].to_numpy().tolist() == [
        ["manual", 9.1, "conflict"], ["manual", 9.2, "conflict"], ["manual", 9.4, "good"],
        ["telemetry", 9.1, "good"], ["telemetry", 9.5, "good"],
    ]  # fmt: skip
    remarks = ["x", "13901 is read as 013901 (Pakse)"]
    assert frame.attrs == {"origin": "measured", "bad_rows": ["line 9"], "said": remarks}
    with pytest.raises(NoReadings, match=r"a\.csv: expected at least one reading, found none"):
        merge_series(Path("a.csv"), [stages(float("nan")), stages()])
