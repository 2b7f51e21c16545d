"""Rain and indices by city, sub-basin and cell."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.geography.grid import MEKONG
from pipeline.geography.places import basins, cities
from pipeline.nights.night import Night, open_night
from pipeline.nights.zone_arrays import By, read_index
from pipeline.settings import Settings
from tests.issuance.snapshot_cases import readings, snapshot_of
from tests.nights.night_cases import ISSUED, record


@pytest.fixture(scope="module")
def night(nights: Settings) -> Night:
    return open_night("2026-08-20", settings=nights)


def test_rain_is_lazy_and_labelled_and_that_of_the_record(night: Night) -> None:
    rain = night.rain(start="2026-08-01")
    assert rain.chunks is not None
    assert rain.dims == ("time", "city")
    assert rain["city"].values.tolist() == list(cities())
    assert str(rain["name"].sel(city="siem_reap").values) == "Siem Reap"
    assert rain.attrs["units"] == "mm"
    assert rain.attrs["status"] == "Exercise"
    stored = record(["city:pakse"])["rain"].sel(time=slice("2026-08-01", "2026-08-19"))
    np.testing.assert_array_equal(rain.sel(city="pakse"), stored[:, 0])
    assert night.rain(by="basin")["basin"].values.tolist() == list(basins())


@pytest.mark.parametrize(("by", "places"), [("basin", "basin:"), ("city", "city:")])
def test_indices_of_days_are_those_that_were_published(night: Night, by: By, places: str) -> None:
    with xr.open_dataset(night.folder / "risk.nc") as published:
        for name, of_file in (("spi_90d", "spi90"), ("rain_30d", "rain_30d"), ("cdi", "cdi")):
            index = night.index(name, "2026-07-21", "2026-08-19", by=by)
            zones = [f"{places}{key}" for key in index[by].values]
            expected = published[of_file].sel(zone=zones).transpose("time", "zone")
            np.testing.assert_allclose(index, expected, atol=1e-6)
            assert index.name == name
            assert index.sizes["time"] == 30


def test_indices_of_months_are_those_that_were_published(night: Night) -> None:
    with xr.open_dataset(night.folder / "monthly.nc") as published:
        for name in ("spi_1m", "spi_3m", "spi_12m", "ssi_1m"):
            index = night.index(name, "2024-08", "2026-07", by="basin")
            zones = [f"basin:{key}" for key in index["basin"].values]
            expected = published[name].sel(zone=zones).transpose("time", "zone")
            np.testing.assert_allclose(index, expected, atol=1e-6)
    assert index.attrs["reference_period"] == "2000-01-01/2021-01-01"


def test_a_span_of_years_is_of_whole_years(night: Night) -> None:
    spi = night.index("spi_3m", "2015", "2020")
    assert spi["time"].values[[0, -1]].astype("M8[M]").astype(str).tolist() == [
        "2015-01", "2020-12",
    ]  # fmt: skip
    whole = night.index("spi_3m").sel(time=spi["time"])
    np.testing.assert_allclose(spi, whole, atol=1e-6)
    assert np.isfinite(spi).all()


def test_cells_are_read_lazily_from_the_archive_as_of_the_night(tmp_path: Path) -> None:
    reading = readings(pd.Series([9.0], pd.DatetimeIndex(["2026-08-19"])), "013901")
    snapshot = snapshot_of(tmp_path, reading, issued=ISSUED)
    time = np.array(["2026-05-01", "2026-06-01", "2026-07-01"], "M8[ns]")
    values = np.full((3, *MEKONG.shape), -0.5, "f4") * np.arange(1, 4)[:, None, None]
    ds = MEKONG.dataset(time, ndvi=values.astype("f4")).rename(ndvi="spi_3m")
    known = np.array(["2026-06-01", "2026-07-01", "2026-09-01"], "M8[ns]")
    ds = ds.assign_coords(available_time=("time", known)).assign_attrs(origin="virtual")
    snapshot.archive.append("indices_monthly", ds, message="test")
    index = read_index(snapshot, tmp_path, "spi_3m", by="cell", start=None, end=None)
    assert index.dims == ("time", "lat", "lon")
    assert index.chunks is not None
    assert index["time"].values.tolist() == time[:2].tolist(), "the third was not known then"
    assert float(index[1, 100, 80]) == -1.0
    june = datetime(2026, 6, 1, tzinfo=UTC)
    later = read_index(snapshot, tmp_path, "spi_3m", by="cell", start=june, end=None)
    assert later.sizes["time"] == 1
    with pytest.raises(LookupError, match="spei_3m of the grid: expected rain and pet"):
        read_index(snapshot, tmp_path, "spei_3m", by="cell", start=None, end=None)


def test_what_is_not_there_says_how_to_make_it(night: Night) -> None:
    with pytest.raises(LookupError, match="compute the record: mekong indices --record"):
        night.index("spi_3m", by="cell")
    with pytest.raises(LookupError, match=r"index of zones: expected one of rain_1d, .*'spi'"):
        night.index("spi")
    with pytest.raises(LookupError, match=r"found 'SPI-3'; near: spi_3m"):
        night.index("SPI-3")
    with pytest.raises(LookupError, match="found 'sdi_1m'"):
        night.index("sdi_1m", by="basin")
    with pytest.raises(LookupError, match="by: expected one of cell, basin, city, found 'zone'"):
        night.index("spi_3m", by="zone")  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="rain_1d: expected a span within the record, 2000-01-01"):
        night.index("rain_1d", "1990", "1991")
    with pytest.raises(LookupError, match="spei_3m: expected parameters in the night's models"):
        night.index("spei_3m")
