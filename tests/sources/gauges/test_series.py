"""Canonical series: codes for missing, units, datums, and values that differ for one time."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.gauges import gauge_files
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
