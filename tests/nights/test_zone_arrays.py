"""Rain and indices by city, sub-basin and cell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from models import registry
from pipeline.areal import monthly
from pipeline.geography.gauge_figures import reference_flows
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import basins, cities
from pipeline.indices.flow import fit_sdi, mean_flow
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


def test_wet_seasons_are_those_that_were_published_and_of_the_years_before(night: Night) -> None:
    with xr.open_dataset(night.folder / "monthly.nc") as published:
        for name in ("wet_season_onset", "wet_season_retreat", "wet_season_length"):
            dates = night.index(name, "2024", "2026", by="basin")
            zones = [f"basin:{key}" for key in dates["basin"].values]
            expected = published[name].sel(zone=zones, year=slice("2024", "2026"))
            np.testing.assert_array_equal(dates, expected.transpose("year", "zone"))
    assert dates["time"].values.astype("M8[D]").astype(str).tolist() == [
        "2024-01-01", "2025-01-01", "2026-01-01",
    ]  # fmt: skip
    assert dates.attrs["units"] == "days"
    assert dates.attrs["reference_period"] == "2000-01-01/2021-01-01"
    assert np.isfinite(night.index("wet_season_onset", "2005", "2020")).all()


def test_indices_of_discharge_are_of_gauges(tmp_path: Path) -> None:
    days = pd.date_range("2003-01-01", "2024-12-31")
    flow = pd.Series(2000.0 + 10.0 * (days.year - 2003), days)  # m3/s, the same all year
    reading = readings(flow, "013901").assign(variable="discharge", unit="m3 s-1")
    snapshot = snapshot_of(tmp_path, reading, issued=datetime(2025, 1, 9, tzinfo=UTC))
    months = monthly.average_flow_by_month(snapshot.readings("discharge"))
    assert months is not None
    fitted = fit_sdi(
        discharge=mean_flow(discharge=months, steps=3),
        start=datetime(2003, 1, 1, tzinfo=UTC), end=datetime(2025, 1, 1, tzinfo=UTC),
    ).to_dict(data="array")  # fmt: skip
    models = {"drought": {}, "monthly": {"gauges/sdi_3m": fitted}}
    version = registry.save(models, {"asof": "2025-01-01T00:00:00+00:00"}, tmp_path / "models")
    night = replace(snapshot, version=version)
    span = {"start": datetime(2024, 7, 1, tzinfo=UTC), "end": datetime(2024, 10, 1, tzinfo=UTC)}
    sdi = read_index(night, tmp_path / "models", "sdi_3m", by="gauge", **span)
    assert (sdi.dims, sdi.sizes["time"]) == (("time", "gauge"), 3)
    assert sdi["gauge"].values.tolist() == ["013901"]
    assert sdi["name"].values.tolist() == ["Pakse"]
    logs = np.log(2000.0 + 10.0 * np.arange(22))
    expected = (logs[-1] - logs.mean()) / logs.std(ddof=1)
    np.testing.assert_allclose(sdi, expected, rtol=1e-6)
    april = {"start": datetime(2024, 4, 1, tzinfo=UTC), "end": datetime(2024, 5, 1, tzinfo=UTC)}
    ratio = read_index(night, tmp_path / "models", "low_flow_ratio", by="gauge", **april)
    flows = reference_flows()
    agreed = flows.query("kind == 'pmfm_6a' and station == '013901' and month == 4")["value"]
    np.testing.assert_allclose(ratio, 2210.0 / agreed.item(), rtol=1e-6)


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
    with pytest.raises(LookupError, match=r"found 'sdi_1m'; sdi_1m is of gauges \(by: gauge\)"):
        night.index("sdi_1m", by="basin")
    with pytest.raises(LookupError, match=r"index of gauges: expected one of sdi_1m, .*'spi_3m'"):
        night.index("spi_3m", by="gauge")
    with pytest.raises(LookupError, match=r"index of cells: .*found 'wet_season_onset'"):
        night.index("wet_season_onset", by="cell")
    with pytest.raises(LookupError, match="sdi_1m: expected two months of discharge at gauges"):
        night.index("sdi_1m", by="gauge")
    with pytest.raises(LookupError, match="by: expected one of cell, basin, city, gauge, found 'z"):
        night.index("spi_3m", by="zone")  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="rain_1d: expected a span within the record, 2000-01-01"):
        night.index("rain_1d", "1990", "1991")
    with pytest.raises(LookupError, match="rain: expected a span within the record, 2000-01-01"):
        night.rain(start="2030")
    for by in ("cell", "gauge"):
        with pytest.raises(LookupError, match=f"by: expected one of basin, city, found '{by}'"):
            night.rain(by=by)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="spi_1m: expected a whole month within the span"):
        night.index("spi_1m", "2026-08")
    with pytest.raises(LookupError, match="wet_season_onset: expected the first day of a year in"):
        night.index("wet_season_onset", "2026-03", "2026-08")
    with pytest.raises(LookupError, match="spei_3m: expected parameters in the night's models"):
        night.index("spei_3m")
