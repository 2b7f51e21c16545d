"""The monthly bulletin: whole months only, each index by its own years, nothing made of nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.areal import monthly
from pipeline.exchange.netcdf import write_netcdf
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import zones
from pipeline.indices.flow import fit_sdi, mean_flow, sdi
from pipeline.indices.rain import accumulation
from pipeline.indices.spei import fit_spei, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.storage.archive import Archive
from tests.conftest import LayOver

END = datetime(2025, 1, 1, tzinfo=UTC)
ZONES = ["basin:a", "city:b"]


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    """Synthetic rain of 24 years and half a month, soil moisture of the last ten and a half."""
    time = np.arange("2001-01-01", "2025-01-16", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(1)
    season = 1.1 - np.cos(2 * np.pi * (np.arange(len(time))[:, None] - 30) / 365.25)
    rain = rng.gamma(0.5, 10.0 * season, (len(time), 2))
    soil = 0.2 + 0.1 * season + rng.normal(0, 0.02, (len(time), 2))
    soil[time < np.datetime64("2014-07-01")] = np.nan
    rain[time == np.datetime64("2024-05-10")] = np.nan  # one day of 31
    rain[(time >= np.datetime64("2024-02-01")) & (time < np.datetime64("2024-02-06")), 1] = np.nan
    fields = {"rain": (rain, "mm"), "soil_moisture": (soil, "m3 m-3")}
    ds = xr.Dataset(
        {k: (("time", "zone"), v.astype("f4"), {"units": u}) for k, (v, u) in fields.items()},
        {"time": time, "zone": ZONES},
    )
    return ds.assign_coords(available_time=("time", time + np.timedelta64(1, "D")))


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    """Evaporation and runoff of 2002 to October 2024, as they come six weeks late."""
    time = np.arange("2002-01", "2024-11", dtype="M8[M]").astype("M8[ns]")
    rng = np.random.default_rng(2)
    fields = {
        "pet": rng.uniform(90, 160, (len(time), 2)),
        "runoff": rng.gamma(2, 40, (len(time), 2)),
    }
    return xr.Dataset(
        {k: (("time", "zone"), v.astype("f4"), {"units": "mm"}) for k, v in fields.items()},
        {"time": time, "zone": ZONES},
    )


@pytest.fixture(scope="module")
def discharge() -> pd.DataFrame:
    """Readings of 22 years at Pakse and three at another gauge, and a stray zero."""
    days = pd.date_range("2003-01-01", "2024-12-31")
    flow = 8000 + 6000 * np.sin((days.day_of_year - 110) / 58.1) ** 2 + 50.0 * (days.year - 2003)
    pakse = pd.DataFrame({"station": "013901", "valid_time": days, "value": flow})
    short_gauge = pakse[pakse["valid_time"] >= "2022-01-01"].assign(station="099999")
    stray = pakse.tail(1).assign(value=0.0)
    return pd.concat([pakse, short_gauge, stray], ignore_index=True)


@pytest.fixture(scope="module")
def months_record(record: xr.Dataset, land: xr.Dataset, discharge: pd.DataFrame) -> monthly.Months:
    return monthly.collect_months(record, land=land, discharge=discharge)


@pytest.fixture(scope="module")
def bulletin(months_record: monthly.Months) -> xr.Dataset:
    return monthly.make_bulletin(
        months_record, monthly.fit_params(months_record, end=END), asof=END
    )


def test_only_whole_months_are_published(bulletin: xr.Dataset) -> None:
    months = bulletin["time"].values.astype("M8[M]")
    assert (str(months[0]), str(months[-1]), months.size) == (
        "2023-01",
        "2024-12",
        monthly.MONTHS,
    )
    february = bulletin.sel(time="2024-02-01", zone="city:b")
    assert float(february["rain_share"]) == pytest.approx(24 / 29)
    assert np.isnan(february["rain"]), "24 days of 29 are less than nine tenths"
    assert np.isnan(bulletin["spi_3m"].sel(time="2024-04-01", zone="city:b")), (
        "its window has February"
    )
    assert np.isfinite(bulletin["spi_3m"].sel(time="2024-05-01", zone="city:b"))


def test_a_missing_day_counts_as_the_mean_of_the_others(
    bulletin: xr.Dataset, record: xr.Dataset
) -> None:
    may = record["rain"].sel(time="2024-05", zone="basin:a")
    expected = float(may.sum()) * 31 / 30
    assert float(bulletin["rain"].sel(time="2024-05-01", zone="basin:a")) == pytest.approx(expected)


def test_zones_have_the_indices_of_plain_calls(
    bulletin: xr.Dataset, months_record: monthly.Months
) -> None:
    period: dict[str, Any] = {"start": datetime(2001, 1, 1, tzinfo=UTC), "end": END}
    total = accumulation(rain=months_record.zones["rain"], steps=6)
    expected = spi(total=total, parameters=fit_spi(total=total, **period))
    xr.testing.assert_allclose(bulletin["spi_6m"], expected.sel(time=bulletin["time"]))
    assert bulletin["spi_6m"].attrs["reference_period"] == "2001-01-01/2025-01-01"
    assert bulletin["spi_6m"].attrs["provisional_lt30y"] == 1
    assert len(bulletin["spi_6m"].attrs["definition_sha256"]) == 64
    balance = water_balance(
        rain=months_record.zones["rain"], pet=months_record.zones["pet"], steps=3
    )
    period = {"start": datetime(2002, 1, 1, tzinfo=UTC), "end": datetime(2024, 1, 1, tzinfo=UTC)}
    expected = spei(balance=balance, parameters=fit_spei(balance=balance, **period))
    xr.testing.assert_allclose(
        bulletin["spei_3m"].sel(time=slice(None, "2024-10-01")),
        expected.sel(time=slice("2023-01-01", "2024-10-01")),
    )
    assert bulletin["spei_3m"].attrs["reference_period"] == "2002-01-01/2024-01-01", "its own years"


def test_what_has_not_come_is_missing(bulletin: xr.Dataset) -> None:
    assert np.isnan(bulletin["spei_1m"].sel(time=["2024-11-01", "2024-12-01"])).all()
    assert np.isnan(bulletin["sri_1m"].sel(time=["2024-11-01", "2024-12-01"])).all()
    assert np.isfinite(bulletin["sri_12m"].sel(time="2024-10-01")).all()
    assert np.isfinite(bulletin["ssi_1m"].sel(time="2024-12-01")).all()


def test_gauges_have_their_own_years_and_the_agreed_flow(
    bulletin: xr.Dataset, discharge: pd.DataFrame
) -> None:
    assert bulletin["station"].values.tolist() == ["013901", "099999"]
    pakse = discharge[(discharge["station"] == "013901") & (discharge["value"] > 0)]
    by_month = pakse.set_index("valid_time")["value"].resample("MS").mean()
    flow = xr.DataArray(
        by_month.to_numpy(), {"time": by_month.index.to_numpy().astype("M8[ns]")}, ("time",),
        name="discharge", attrs={"units": "m3 s-1"},
    )  # fmt: skip
    flow = mean_flow(discharge=flow, steps=3)
    params = fit_sdi(discharge=flow, start=datetime(2003, 1, 1, tzinfo=UTC), end=END)
    expected = sdi(discharge=flow, parameters=params).sel(time=bulletin["time"])
    np.testing.assert_allclose(bulletin["sdi_3m"].sel(station="013901"), expected, atol=1e-9)
    assert np.isnan(bulletin["sdi_3m"].sel(station="099999")).all(), "three years are no reference"
    january = float(bulletin["low_flow_ratio"].sel(time="2024-01-01", station="013901"))
    assert january == pytest.approx(by_month["2024-01-01"] / 2341), "PMFM 6A at Pakse in January"
    assert np.isnan(bulletin["low_flow_ratio"].sel(station="099999")).all()


def test_the_agreed_flow_is_that_of_the_issue_time(
    months_record: monthly.Months, lay_over: LayOver
) -> None:
    head = "station,month,kind,value,unit,source,as_of,verified"
    lay_over("flows.csv", head, "013901,1,pmfm_6a,4682,m3/s,the agency,2025-01-01,V")
    before, after = (
        monthly.make_bulletin(months_record, {}, asof=asof)["low_flow_ratio"].sel(station="013901")
        for asof in (END - timedelta(days=1), END)
    )
    changes = (after / before).sel(time=["2024-01-01", "2024-02-01"])
    np.testing.assert_allclose(changes, [0.5, 1.0])


def test_the_season_ends_when_it_is_over(bulletin: xr.Dataset) -> None:
    assert bulletin["year"].values.tolist()[-1] == 2025
    season = bulletin["wet_season_length"].sel(year=2023)
    assert (season > 90).all()
    assert (season < 300).all()
    assert np.isnan(bulletin["wet_season_onset"].sel(year=2025)).all()


def test_without_land_or_gauges_or_years_the_rest_is_published(record: xr.Dataset) -> None:
    nothing = pd.DataFrame({"station": [], "valid_time": [], "value": []}).astype(
        {"valid_time": "M8[ns]", "value": "f8", "station": str}
    )
    alone = monthly.collect_months(record, land=None, discharge=nothing)
    ds = monthly.make_bulletin(alone, monthly.fit_params(alone, end=END), asof=END)
    assert "spi_12m" in ds
    assert not {"spei_1m", "sri_1m", "sdi_1m", "low_flow_ratio"} & set(ds.data_vars)
    short = monthly.collect_months(
        record.isel(time=slice(-3000, None)), land=None, discharge=nothing
    )
    ds = monthly.make_bulletin(short, monthly.fit_params(short, end=END), asof=END)
    assert set(ds.data_vars) == {"rain", "rain_share"}


def test_soil_moisture_of_less_than_a_month_costs_no_other_index(record: xr.Dataset) -> None:
    last = record.isel(time=slice(-150, None)).copy(deep=True)
    last["soil_moisture"][:-12] = np.nan  # a source that began lately
    months = monthly.collect_months(last, land=None, discharge=pd.DataFrame({"value": []}))
    assert set(months.zones) == {"rain"}
    assert months.zones["rain"].sizes["time"] >= 4


def test_an_index_of_two_inputs_has_the_years_of_both(months_record: monthly.Months) -> None:
    rain = months_record.zones["rain"]
    late = rain.where(rain["time"] >= np.datetime64("2003-02-01")).assign_attrs(rain.attrs)
    months = monthly.Months(
        months_record.rain, months_record.zones | {"rain": late}, months_record.rain_share, None
    )
    fitted = monthly.fit_params(months, end=END)
    periods = {name: fitted[name]["attrs"]["reference_period"] for name in ("spi_1m", "spei_1m")}
    assert periods == {"spi_1m": "2004-01-01/2025-01-01", "spei_1m": "2004-01-01/2024-01-01"}


def test_later_data_change_no_parameters(months_record: monthly.Months) -> None:
    early = datetime(2024, 1, 1, tzinfo=UTC)
    before = monthly.fit_params(months_record, end=early)
    cut = monthly.Months(
        months_record.rain.sel(time=slice(None, "2023-12-31")),
        {name: da.sel(time=slice(None, "2023-12-31")) for name, da in months_record.zones.items()},
        months_record.rain_share,
        None
        if months_record.discharge is None
        else months_record.discharge.sel(time=slice(None, "2023-12-31")),
    )
    after = monthly.fit_params(cut, end=early)
    assert set(before) == set(after)
    for name, params in before.items():
        xr.testing.assert_identical(xr.Dataset.from_dict(params), xr.Dataset.from_dict(after[name]))


def test_it_is_written_as_cf(bulletin: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "monthly.nc"
    path.write_bytes(write_netcdf(bulletin, title="t", source="s", issue_time=END))
    with xr.open_dataset(path, engine="netcdf4") as ds:
        assert ds.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
        assert ds["spi_3m"].attrs["units"] == "1"
        np.testing.assert_allclose(ds["spi_3m"], bulletin["spi_3m"])


def test_land_is_averaged_over_zones_by_the_days_of_the_month(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    assert monthly.read_land_months(archive, asof=END, region="mekong") is None
    months = np.array(["2024-02-01", "2024-03-01"], "M8[ns]")
    pet = np.stack([np.full(MEKONG.shape, 4.0), np.full(MEKONG.shape, 5.0)]).astype("f4")
    runoff = np.stack([np.full(MEKONG.shape, 30.0), np.full(MEKONG.shape, -0.5)]).astype("f4")
    ds = MEKONG.dataset(months, pet=pet, runoff=runoff)
    known = np.array(["2024-04-15", "2024-05-16"], "M8[ns]")
    archive.append(
        "gldas_monthly", ds.assign_coords(available_time=("time", known)), message="two months"
    )
    land = monthly.read_land_months(
        archive, asof=datetime(2024, 4, 20, tzinfo=UTC), region="mekong"
    )
    assert land is not None
    assert land.sizes == {"time": 1, "zone": len(zones())}, "March was not known yet"
    np.testing.assert_allclose(land["pet"], 4.0 * 29, rtol=1e-5)
    later = monthly.read_land_months(archive, asof=END, region="mekong")
    assert later is not None
    np.testing.assert_allclose(later["pet"].sel(time="2024-03-01"), 155.0, rtol=1e-5)
    assert float(later["runoff"].sel(time="2024-03-01").max()) == 0.0, "no runoff is below none"
