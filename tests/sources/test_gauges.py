from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.sources import gauges
from pipeline.sources.base import BadGranule, Skipped, locate
from pipeline.virtual.tables import mrc_export

NAME = "Water Level.Manual@LA_013901_[Pakse].csv"
REST = "O,Raw - Not Yet Reviewed,Unverified data"
ROW = "LA,013901,Water Level,Manual,{},{},{}," + REST


def write(folder: Path, *rows: str, name: str = NAME) -> Path:
    path = folder / name
    path.write_text("\n".join([gauges.HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def level(stamp: str, value: object, unit: str = "m") -> str:
    return ROW.format(stamp, value, unit)


def test_the_z_is_right_and_the_header_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, level("2024-08-01T00:00Z", 9.5), level("2024-08-01T12:00Z", 9.7))
    frame = gauges.read(path)
    assert frame["valid_time"].tolist() == [
        pd.Timestamp("2024-08-01 00:00"), pd.Timestamp("2024-08-01 12:00")
    ]  # fmt: skip
    assert frame["value"].tolist() == [9.5, 9.7]
    assert set(frame["station"]) == {"013901"}
    assert set(frame["variable"]) == {"stage"}
    assert set(frame["unit"]) == {"m"}
    assert set(frame["qc"]) == {"good"}
    assert set(frame["version"]) == {"Manual, Raw - Not Yet Reviewed"}
    assert frame.attrs["origin"] == "measured"


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
    row = level("2024-08-01T00:00Z", value, unit).replace("Water Level", parameter)
    frame = gauges.read(write(tmp_path, row, name=f"{parameter}.Manual@LA_013901_[Pakse].csv"))
    assert frame["variable"].tolist() == [variable]
    assert frame["value"].tolist() == pytest.approx([expected])


def test_duplicates_conflicts_and_empty_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        level("2024-08-03T00:00Z", 5.0),
        level("2024-08-01T00:00Z", 1.0), level("2024-08-01T00:00Z", 1.0),
        level("2024-08-02T00:00Z", 2.0), level("2024-08-02T00:00Z", 2.5),
        level("2024-08-04T00:00Z", ""), level("2024-08-05T00:00Z", -9999),
    )  # fmt: skip
    frame = gauges.read(path)
    assert frame["value"].tolist() == [1.0, 2.5, 5.0]
    assert frame["qc"].tolist() == ["good", "conflict", "good"]


def test_what_is_out_of_range_or_estimated_is_flagged_and_kept(tmp_path: Path) -> None:
    name = "Water Level.Telemetry@CN_092600_[Jinghong].csv"
    rows = [level("2024-08-01T00:00Z", 536.2), level("2024-08-02T00:00Z", 2.0)]
    rows[1] = rows[1].replace(",O,", ",E,")
    rows = [r.replace("LA,013901", "CN,092600") for r in rows]
    frame = gauges.read(write(tmp_path, *rows, name=name))
    assert frame["value"].tolist() == [536.2, 2.0]
    assert frame["qc"].tolist() == ["range", "estimated"]


def test_a_station_that_the_project_does_not_know_is_read(tmp_path: Path) -> None:
    row = level("2024-08-01T00:00Z", 4).replace("LA,013901", "TH,999999")
    frame = gauges.read(write(tmp_path, row, name="Water Level.Manual@TH_999999_[Far].csv"))
    assert frame["station"].tolist() == ["999999"]


def test_other_parameters_are_skipped_not_failed(tmp_path: Path) -> None:
    row = level("2024-08-01T00:00Z", 80, "mg/l").replace("Water Level", "Total Suspended Solids")
    path = write(tmp_path, row, name="Total Suspended Solids.Measured@LA_013901_[Pakse].csv")
    with pytest.raises(Skipped, match="Total Suspended Solids is not used"):
        gauges.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"),
        ("<html><body>Sign in</body></html>\n", "the header Country Code.*begins with b'<html>"),
        (gauges.HEADER + "\n", "found the header alone"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1)[:-4], "a file cut short"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1)[:-40] + "\n", "ten columns"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1) + ",x\n", "ten columns"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1, "ft") + "\n",
         "unit m or cm.*found ft"),
        (gauges.HEADER + "\n" + level("01/08/2024 07:00", 1) + "\n", "stamps like"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", "high") + "\n", "numbers, found 'high'"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1).replace("013901", "13901") + "\n",
         "station 013901 as in its name, found '13901'"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1) + "\n"
         + level("2024-08-02T00:00Z", 1).replace("013901", "013801") + "\n", "one station"),
        (gauges.HEADER + "\n" + level("2024-08-01T00:00Z", 1) + "\n"
         + level("2024-08-02T00:00Z", 100, "cm") + "\n", "one unit"),
    ],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / NAME
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadGranule, match=rf"^Water Level.*{message}"):
        gauges.read(path)


def test_malformed_code_without_a_telling_name(tmp_path: Path) -> None:
    row = level("2024-08-01T00:00Z", 1).replace("013901", "H_39")
    with pytest.raises(BadGranule, match="a station code of six digits, found 'H_39'"):
        gauges.read(write(tmp_path, row, name="export.csv"))


def test_virtual_exports_say_so_and_are_found(tmp_path: Path) -> None:
    night = datetime(2024, 8, 2, 0, 30, tzinfo=UTC)
    times = pd.date_range("2024-08-01", periods=3, freq="12h")
    written = mrc_export(
        tmp_path / "mrc/20240802T0030", country="LA", code="013901", station="Pakse", lat=15.1,
        lon=105.81, variable="stage", valid_time=times.to_numpy(),
        value=np.array([9.511, 9.7, -0.25]), published=night,
    )  # fmt: skip
    assert written.name == NAME
    assert (
        (written.parent / NAME.replace(".csv", "__metadata.txt")).read_text().startswith("# Time")
    )
    frame = gauges.read(written)
    assert frame.attrs["origin"] == "virtual"
    assert frame["value"].tolist() == [9.51, 9.7, -0.25]
    assert frame["valid_time"].tolist() == times.tolist()
    new_year = datetime(2024, 1, 1, tzinfo=UTC)
    names = {g.pattern: g for g in gauges.granules("gauges", new_year, night, night)}
    path, known = locate(names["2*/Water Level.Manual@??_013901_*.csv"], tmp_path, asof=night)
    assert (path, known) == (written, night)
    assert gauges.exports(written.parent) == [written]
    with pytest.raises(FileNotFoundError, match="found none"):
        gauges.exports(tmp_path)
