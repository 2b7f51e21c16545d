"""Exports of gauges and years of the areal record: by hand, and as their readers read them."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.sources import zones
from pipeline.sources.gauges import gauge_files
from pipeline.virtual.tables import write_areal_record, write_mrc_export

PUBLISHED = datetime(2024, 8, 21, 0, 20, tzinfo=UTC)


def export(folder: Path, variable: str, values: list[float]) -> Path:
    """Write readings of Pakse from 19 August on, one a day at 00:00Z."""
    return write_mrc_export(
        folder, country="LA", code="013901", station="Pakse", lat=15.1, lon=105.8,
        variable=variable, valid_time=np.datetime64("2024-08-19") + np.arange(len(values)),  # type: ignore[arg-type]
        value=np.array(values), published=PUBLISHED,
    )  # fmt: skip


def test_an_export_by_hand(tmp_path: Path) -> None:
    path = export(tmp_path, "stage", [9.128, -0.3])
    assert path.name == "Water Level.Manual@LA_013901_[Pakse].csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header == gauge_files.HEADER
    assert [line.split(",")[:7] for line in lines] == [
        ["LA", "013901", "Water Level", "Manual", "2024-08-19T00:00Z", "9.13", "m"],
        ["LA", "013901", "Water Level", "Manual", "2024-08-20T00:00Z", "-0.30", "m"],
    ]
    (notes,) = tmp_path.glob("*__metadata.txt")
    assert "# Value units: m\n" in notes.read_text(encoding="utf-8")
    assert {file.stat().st_mtime for file in tmp_path.iterdir()} == {PUBLISHED.timestamp()}


@pytest.mark.parametrize(
    ("variable", "values", "read"),
    [
        ("stage", [9.128, 9.5], [9.13, 9.5]),
        ("discharge", [26_200.04, 25_000.0], [26_200.0, 25_000.0]),
        ("rain", [0.0, 41.26], [0.0, 41.3]),
    ],
)
def test_an_export_is_read_as_virtual_readings(
    tmp_path: Path, variable: str, values: list[float], read: list[float]
) -> None:
    readings = gauge_files.read(export(tmp_path, variable, values))
    assert readings["value"].tolist() == read
    assert readings["variable"].unique().tolist() == [variable]
    assert readings["valid_time"].tolist() == [
        pd.Timestamp("2024-08-19"), pd.Timestamp("2024-08-20"),
    ]  # fmt: skip
    assert readings.attrs["origin"] == "virtual"


def test_a_year_of_the_areal_record_is_read_back(tmp_path: Path) -> None:
    days = np.arange("2023-01-01", "2024-01-01", dtype="M8[D]").astype("M8[ns]")
    shape = len(days), 2
    fields = {
        "rain": np.arange(2 * len(days)).reshape(shape) / 10, "coverage": np.ones(shape),
        "soil_moisture": np.full(shape, 0.25), "ndvi": np.full(shape, np.nan),
        "lst": np.full(shape, 300.5),
    }  # fmt: skip
    known = days + np.timedelta64(24 * 60 + 20, "m")
    year = xr.Dataset(
        {name: (("zone", "time"), values.T) for name, values in fields.items()},
        {"time": days, "zone": ["basin:chi", "city:pakse"], "available_time": ("time", known)},
    )
    path = write_areal_record(tmp_path, year=year, published=PUBLISHED, origin="virtual")
    assert path.relative_to(tmp_path).as_posix() == "zones/areal_record_2023.nc"
    record = zones.read(path)
    assert record["rain"].dims == ("time", "zone")
    assert record["zone"].values.tolist() == ["basin:chi", "city:pakse"]
    for name, values in fields.items():
        np.testing.assert_array_equal(record[name].values, values.astype("f4"))
    np.testing.assert_array_equal(record["time"].values, days)
    np.testing.assert_array_equal(record["available_time"].values, known)
    assert record.attrs["origin"] == "virtual"
