"""Exported indices, read back by xarray, pandas and openpyxl."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import get_args

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xarray as xr

from pipeline.choices import IndexFormat
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import cities
from pipeline.nights import index_files
from pipeline.nights.index_files import export_index
from pipeline.nights.night import Night, open_night
from pipeline.nights.zone_arrays import By
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from tests.issuance.test_products import find_errors

ABSENT = ("2000-01", "2000-04")
"""A span of SPI-3 whose first two months are not known: the record begins in January 2000."""


@pytest.fixture(scope="module")
def night(nights: Settings) -> Night:
    return open_night("2026-08-20", settings=nights)


@pytest.fixture
def gridded_night(nights: Settings, tmp_path: Path) -> Night:
    """A night whose archive has two months of an index of the grid, its first cell not known."""
    data = shutil.copytree(nights.data_dir, tmp_path / "data", symlinks=True)
    settings = Settings(data_dir=data, upstream="archive", records_url=None)
    time = np.array(["2026-05-01", "2026-06-01"], "M8[ns]")
    values = np.full((2, *MEKONG.shape), -1.25, "f4") * np.array([1, 2], "f4")[:, None, None]
    values[:, 0, 0] = np.nan
    ds = MEKONG.dataset(time, ndvi=values).rename(ndvi="spi_3m")
    ds["spi_3m"].attrs |= {"long_name": "Standardised precipitation index", "units": "1"}
    ds = ds.assign_coords(available_time=("time", time + np.timedelta64(32, "D")))
    archive = Archive(settings.archive_dir)
    archive.append("indices_monthly", ds.assign_attrs(origin="virtual"), message="test")
    return open_night("2026-08-20", settings=settings)


def test_netcdf_has_the_form_of_the_published_files(night: Night, tmp_path: Path) -> None:
    path = tmp_path / "new" / "spi.nc"
    exported = export_index(
        night, "spi_3m", path, file_format="nc", by="basin", start=ABSENT[0], end=ABSENT[1]
    )
    assert (exported.steps, exported.step, exported.first, exported.last) == (
        4, "months", "2000-01-01", "2000-04-01",
    )  # fmt: skip
    assert exported.missing == 2 * exported.places == 2 * 26
    index = night.index("spi_3m", *ABSENT, by="basin")
    with xr.open_dataset(path) as ds, xr.open_dataset(night.folder / "monthly.nc") as published:
        assert ds["spi_3m"].dims == published["spi_3m"].dims == ("zone", "time")
        np.testing.assert_array_equal(ds["spi_3m"].values.T, index.values)
        assert ds["spi_3m"].attrs["units"] == "1"
        assert ds["spi_3m"].attrs["reference_period"] == "2000-01-01/2021-01-01"
        assert ds.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
        assert ds.attrs["title"].startswith("Exercise: Standardised precipitation index (spi_3m)")
        assert ds.attrs["status"] == "Exercise"
        assert ds["time_bnds"].values[0].astype("M8[D]").astype(str).tolist() == [
            "2000-01-01", "2000-02-01",
        ]  # fmt: skip
        chi = published["zone"].values.tolist().index("basin:chi")
        assert "basin:chi" in ds["zone"].values
        assert float(ds["lat"].sel(zone="basin:chi")) == float(published["lat"][chi])
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.slow  # the checker reads its tables of names: 5 s of CPU
@pytest.mark.filterwarnings("ignore:The ioos_sos checker is deprecated")
def test_netcdf_passes_the_cf_checker(gridded_night: Night, tmp_path: Path) -> None:
    cases: list[tuple[str, By]] = [("spi_3m", "city"), ("cdi", "basin"), ("spi_3m", "cell")]
    for number, (name, by) in enumerate(cases):
        path = tmp_path / f"{number}.nc"
        export_index(gridded_night, name, path, file_format="nc", by=by, start="2026-06")
        assert find_errors(path) == []


def test_tables_of_text_leave_what_is_not_known_empty(night: Night, tmp_path: Path) -> None:
    path = tmp_path / "spi.csv"
    export_index(night, "spi_3m", path, file_format="csv", start=ABSENT[0], end=ABSENT[1])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "time,city,name,lat_deg,lon_deg,spi_3m,unit,status,origin"
    pakse = [line for line in lines if ",pakse," in line]
    assert pakse[0] == "2000-01-01,pakse,Pakse,15.1,105.813,,1,Exercise,virtual"
    value = float(night.index("spi_3m", "2000-03", "2000-03").sel(city="pakse").item())
    assert float(pakse[2].split(",")[5]) == pytest.approx(value, rel=1e-5)
    assert len(lines) == 1 + 4 * len(cities())


def test_years_are_bounded_by_years(night: Night, tmp_path: Path) -> None:
    path = tmp_path / "onset.nc"
    span = {"start": "2010", "end": "2012"}
    done = export_index(night, "wet_season_onset", path, file_format="nc", by="basin", **span)
    assert (done.steps, done.step, done.last, done.unit) == (3, "years", "2012-01-01", "days")
    with xr.open_dataset(path) as ds:
        assert ds["time_bnds"][-1].values.astype("M8[D]").astype(str).tolist() == [
            "2012-01-01", "2013-01-01",
        ]  # fmt: skip
        assert ds["time"].attrs["long_name"] == "Start of the calendar year, UTC"
        assert ds.attrs["time_coverage_resolution"] == "P1Y"
    assert find_errors(path) == []


def test_gauges_have_the_form_of_the_published_file(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = np.array(["2026-06-01", "2026-07-01"], "M8[ns]")
    attrs = {"units": "1", "long_name": "Streamflow drought index"}
    sdi = xr.DataArray(
        [[-1.5, np.nan], [0.5, 0.25]],
        {"time": time, "gauge": ["013901", "014901"],
         "name": ("gauge", ["Pakse", "Kratie"])},
        ("time", "gauge"), "sdi_3m", attrs,
    )  # fmt: skip
    monkeypatch.setattr(Night, "index", lambda *_arguments, **_by: sdi)
    for file_format in get_args(IndexFormat):
        path = tmp_path / f"sdi.{file_format}"
        done = export_index(night, "sdi_3m", path, file_format=file_format, by="gauge")
        assert (done.places, done.missing) == (2, 1)
    with xr.open_dataset(tmp_path / "sdi.nc") as ds:
        assert ds["station"].values.tolist() == ["013901", "014901"]
        assert ds["station_name"].values.tolist() == ["Pakse", "Kratie"]
        np.testing.assert_array_equal(ds["sdi_3m"].transpose("time", "station"), sdi)
    assert find_errors(tmp_path / "sdi.nc") == []
    lines = (tmp_path / "sdi.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "time,gauge,name,lat_deg,lon_deg,sdi_3m,unit,status,origin"
    assert lines[1] == "2026-06-01,013901,Pakse,15.1,105.813,-1.5,1,Exercise,virtual"
    sheet = openpyxl.load_workbook(tmp_path / "sdi.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["time", "Pakse", "Kratie"]


def test_classes_have_their_words(night: Night, tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    export_index(night, "cdi", path, file_format="csv", start="2026-08-19")
    table = pd.read_csv(path, keep_default_na=False)
    words = {0.0: "none", 1.0: "watch", 2.0: "warning", 3.0: "alert"}
    assert table["meaning"].tolist() == table["cdi"].map(words).tolist()


def test_a_workbook_has_a_column_per_place_and_empty_cells(night: Night, tmp_path: Path) -> None:
    path = tmp_path / "spi.xlsx"
    export_index(night, "spi_3m", path, file_format="xlsx", start=ABSENT[0], end=ABSENT[1])
    book = openpyxl.load_workbook(path)
    sheet, about = book.worksheets
    assert sheet.title == "Exercise spi_3m"
    assert sheet.freeze_panes == "B2"
    heading = [cell.value for cell in sheet[1]]
    assert heading == ["time", *(city.name for city in cities().values())]
    column = heading.index("Pakse") + 1
    assert sheet.cell(2, 1).value.date() == date(2000, 1, 1)
    assert [sheet.cell(row, column).value for row in (2, 3)] == [None, None]
    value = float(night.index("spi_3m", "2000-03", "2000-03").sel(city="pakse").item())
    assert sheet.cell(4, column).value == pytest.approx(value, rel=1e-5)
    said = {str(row[0].value): row[1].value for row in about.iter_rows()}
    assert said["status"] == "Exercise"
    assert said["unit"] in {1, "1"}
    assert said["empty cell"] == "not known; it is never zero"


def test_cells_keep_their_grid(
    gridded_night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netcdf, store, table = (tmp_path / f"cells.{end}" for end in ("nc", "zarr", "csv"))
    export_index(gridded_night, "spi_3m", netcdf, file_format="nc", by="cell")
    export_index(gridded_night, "spi_3m", store, file_format="zarr", by="cell")
    for ds in (xr.open_dataset(netcdf), xr.open_zarr(store)):
        with ds:
            assert ds["spi_3m"].dims == ("time", "lat", "lon")
            assert np.isnan(ds["spi_3m"][0, 0, 0])
            assert float(ds["spi_3m"][1, 5, 5]) == -2.5
            assert ds.attrs["status"] == "Exercise"
            assert ds["time_bnds"].values[1].astype("M8[M]").astype(str).tolist() == [
                "2026-06", "2026-07",
            ]  # fmt: skip
            assert ds.rio.crs.to_epsg() == 4326
    with pytest.raises(FileExistsError, match="expected a folder that is not there yet"):
        export_index(gridded_night, "spi_3m", store, file_format="zarr", by="cell")
    export_index(gridded_night, "spi_3m", table, file_format="csv", by="cell", start="2026-06")
    rows = pd.read_csv(table)
    assert len(rows) == np.prod(MEKONG.shape)
    assert rows["spi_3m"].isna().tolist() == [True, *[False] * (len(rows) - 1)]
    monkeypatch.setattr(index_files, "MOST_ROWS", len(rows))
    with pytest.raises(ValueError, match=r"expected at most .* rows, found .* take a shorter span"):
        export_index(gridded_night, "spi_3m", tmp_path / "a.xlsx", file_format="xlsx", by="cell")


def test_a_span_without_a_day_is_an_error(night: Night, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="a span within the record, 2000-01-01 to 2026-08-19"):
        export_index(
            night, "spi_3m", tmp_path / "a.csv", file_format="csv", start="1990", end="1991"
        )
    assert not [*tmp_path.iterdir()]
