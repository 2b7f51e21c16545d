"""Indices that a run publishes, and the files they are written to."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from compliance_checker.base import BaseCheck, Result
from compliance_checker.suite import CheckSuite

from pipeline.areal import monthly, substitutes
from pipeline.exchange.netcdf import write_netcdf
from pipeline.geography import places
from pipeline.geography.variables import attributes
from pipeline.indices import daily
from pipeline.issuance.products import (
    ATTRIBUTES,
    describe_axes,
    describe_impossible,
    mask_impossible,
    split_gauges,
)
from pipeline.remarks import Remark
from pipeline.storage.archive import Archive

ASOF = datetime(2022, 1, 1, 0, 30, tzinfo=UTC)
ZONES = ["basin:mun", "city:pakse"]
SMAP_DAY = "2015-04-03"
"""First day with soil moisture: 31 March 2015 and three days until its publication."""
CONVENTIONS = "cf:1.11"
DISCOVERY = "acdd:1.3"
FILES = ["risk.nc", "monthly.nc", "monthly_gauges.nc"]


def test_impossible_indices_are_left_out_and_named() -> None:
    values = xr.DataArray([[2.0, np.inf, -9.0, np.nan]], dims=("time", "zone"))
    ds = xr.Dataset({"spi90": values, "coverage": values})
    assert mask_impossible(ds)["spi90"].values.tolist() == [[2.0, *[pytest.approx(
        np.nan, nan_ok=True)] * 3]]  # fmt: skip
    xr.testing.assert_equal(mask_impossible(ds)["coverage"], ds["coverage"])
    assert describe_impossible(ds, "risk.nc") == [
        Remark(
            code="results_out_of_range",
            text="risk.nc: 2 values of spi90 out of range and left out",
        )
    ]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Synthetic zonal daily series of 22 years, as the archive gives them, with substitutes."""
    time = np.arange("2000-01-01", "2022-01-01", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(0)
    season = 1.1 - np.cos(2 * np.pi * (np.arange(len(time)) - 30)[:, None] / 365.25)
    composite = np.where((np.arange(len(time)) % 30 == 5)[:, None], 1.0, np.nan)
    wet = rng.uniform(0.1, 0.4, (len(time), 2))
    soil = np.where((time >= np.datetime64(SMAP_DAY))[:, None], wet, np.nan)
    fields = {
        "rain": rng.gamma(0.5, 10.0 * season, (len(time), 2)),
        "coverage": np.ones((len(time), 2)),
        "soil_moisture": soil,
        "ndvi": wet * composite,
        "lst": (305 - 10 * wet) * composite,
    }
    series = xr.Dataset(
        {
            name: (("time", "zone"), values.astype("f4"), attributes(name))
            for name, values in fields.items()
        },
        {"time": time, "zone": ZONES, "available_time": ("time", time + np.timedelta64(1, "D"))},
        {"origin": "virtual"},
    )
    archive = Archive(tmp_path_factory.mktemp("archive"))
    archive.append("zones", series, message="test")
    return substitutes.fill_gaps(archive.read("zones", asof=ASOF), archive, asof=ASOF).compute()


@pytest.fixture(scope="module")
def risk(record: xr.Dataset) -> xr.Dataset:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    parameters = daily.fit_reference(record, start=start, end=ASOF)
    recent = record.isel(time=slice(-430, None))
    network = xr.Dataset(
        {name: (("outlet", "zone"), [[1.0]]) for name in ("area_share", "travel_time_d")},
        {"outlet": ZONES[:1], "zone": ZONES[:1]},
    )
    indices = daily.risk(recent, parameters=parameters, network=network)
    ds = indices.assign(substitutes.carry_shares(recent)).isel(time=slice(-30, None))
    return describe_axes(ds, "risk.nc", region="mekong", asof=ASOF)


@pytest.fixture(scope="module")
def bulletin(record: xr.Dataset) -> dict[str, xr.Dataset]:
    days = pd.date_range("2000-01-01", "2021-12-31")
    flow = 8000 + 50.0 * days.day_of_year + 20.0 * (days.year - 2000)
    discharge = pd.DataFrame({"station": "013901", "valid_time": days, "value": flow})
    months = monthly.collect_months(record, land=None, discharge=discharge)
    ds = monthly.make_bulletin(months, monthly.fit_params(months, end=ASOF), asof=ASOF)
    return {
        name: describe_axes(part, name, region="mekong", asof=ASOF)
        for name, part in split_gauges(ds).items()
    }


def test_a_gauge_that_only_readings_name_has_no_position() -> None:
    flow = xr.DataArray([[1.0, 2.0]], dims=("time", "station"), name="sdi_1m")
    ds = flow.to_dataset().assign_coords(time=[np.datetime64("2021-12-01", "ns")])
    ds = ds.assign_coords(station=["013901", "980601"])
    ds = describe_axes(ds, "monthly_gauges.nc", region="mekong", asof=ASOF)
    assert ds["station_name"].values.tolist() == ["Pakse", "980601"]
    assert np.isnan(ds["lat"].values).tolist() == [False, True]
    assert write_netcdf(
        ds.assign(sdi_1m=ds["sdi_1m"].assign_attrs(units="1")),
        title="x", source="test", issue_time=ASOF,
    )  # fmt: skip


@pytest.fixture(scope="module")
def files(
    risk: xr.Dataset, bulletin: dict[str, xr.Dataset], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("published")
    written = {}
    for name, ds in {"risk.nc": risk, **bulletin}.items():
        options: dict[str, Any] = {
            "source": "test", "issue_time": ASOF, "institution": "test", **ATTRIBUTES[name],
        }  # fmt: skip
        content = write_netcdf(mask_impossible(ds), **options)
        assert content == write_netcdf(mask_impossible(ds), **options), "the same bytes"
        written[name] = folder / name
        written[name].write_bytes(content)
    return written


def read_failures(result: Result) -> list[str]:
    """Messages of the checks that failed; a check that passes may have messages too."""
    if result.children:
        return [text for part in result.children for text in read_failures(part)]
    passed, total = result.value if isinstance(result.value, tuple) else (result.value, True)
    return list(result.msgs) if passed < total else []


def find_errors(path: Path, conventions: str = CONVENTIONS) -> list[str]:
    """Errors that an independent checker finds; what it only recommends is left out."""
    CheckSuite.load_all_available_checkers()
    suite = CheckSuite()
    with suite.load_dataset(str(path)) as ds:
        ((sections, faults),) = suite.run_all(ds, [conventions]).values()
    assert len(sections) > 20
    assert faults == {}
    broken = [part for part in sections if part.weight == BaseCheck.HIGH]
    return [f"{part.name}: {text}" for part in broken for text in read_failures(part)]


@pytest.mark.filterwarnings("ignore:The ioos_sos checker is deprecated")
@pytest.mark.parametrize("name", FILES)
def test_the_files_pass_the_cf_checker(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    assert find_errors(files[name]) == []
    broken = tmp_path / "broken.nc"
    broken.write_bytes(files[name].read_bytes())
    share = {"risk.nc": "share_gk2a_lst", "monthly.nc": "rain_share"}.get(name, "low_flow_ratio")
    with netCDF4.Dataset(broken, "a") as ds:
        ds[share].standard_name = "surface_temperature"
        ds[share].coordinates = "lat lon digest"
    errors = "\n".join(find_errors(broken))
    assert f'Units "1" for variable {share} must be convertible to canonical units "K"' in errors
    assert f"The 'coordinates' attribute of variable '{share}' references non-existent" in errors


@pytest.mark.parametrize("name", FILES)
def test_every_coordinate_that_is_named_is_in_the_file(files: dict[str, Path], name: str) -> None:
    with netCDF4.Dataset(files[name]) as ds:
        named = {
            word
            for variable in ds.variables.values()
            for key in ("coordinates", "grid_mapping", "ancillary_variables", "bounds")
            if key in variable.ncattrs()
            for word in variable.getncattr(key).split()
        }
        assert {"time", "lat", "lon", "time_bnds", "crs"} <= named
        assert named <= set(ds.variables)


@pytest.mark.parametrize("name", FILES[:2])
def test_a_share_has_no_standard_name(files: dict[str, Path], name: str) -> None:
    with xr.open_dataset(files[name]) as ds:
        shares = [str(key) for key in ds if "share" in str(key)]
        assert (
            shares
            == {
                "risk.nc": ["share_smap_l3", "share_gk2a_ndvi", "share_gk2a_lst"],
                "monthly.nc": ["rain_share"],
            }[name]
        )
        for share in shares:
            assert ds[share].attrs["units"] == "1"
            assert "standard_name" not in ds[share].attrs


def test_zones_and_gauges_have_a_name_and_a_position(files: dict[str, Path]) -> None:
    with xr.open_dataset(files["monthly.nc"]) as ds:
        assert ds["zone_name"].values.tolist() == ["Mun", "Pakse"]
        assert ds.attrs["featureType"] == "timeSeries"
        assert ds["zone"].attrs["cf_role"] == "timeseries_id"
        assert ds["spi_1m"].sel(zone="city:pakse").dims == ("time",)
        mun = places.basins()["mun"].polygon
        assert mun.contains(shapely.Point(float(ds["lon"][0]), float(ds["lat"][0])))
        pakse = places.cities()["pakse"]
        assert (float(ds["lat"][1]), float(ds["lon"][1])) == (pakse.lat, pakse.lon)
        assert ds["lat"].attrs["standard_name"] == "latitude"
        assert ds["lon"].attrs["units"] == "degrees_east"
        assert (ds.attrs["geospatial_lat_min"], ds.attrs["geospatial_lat_max"]) == (
            pytest.approx(min(ds["lat"].values)),
            pytest.approx(max(ds["lat"].values)),
        )
        assert "station" not in ds.dims, "one feature type and one kind of place to a file"
    with xr.open_dataset(files["monthly_gauges.nc"]) as ds:
        gauge = places.stations()["013901"]
        assert ds["station"].values.tolist() == ["013901"]
        assert ds["station_name"].values.tolist() == [gauge.name]
        assert float(ds["lat"][0]) == pytest.approx(gauge.lat, abs=5e-5)
        assert float(ds["lon"][0]) == pytest.approx(gauge.lon, abs=5e-5)
        assert {str(name).split("_")[0] for name in ds if "time" in ds[name].dims} == {
            "sdi", "low", "time",
        }  # fmt: skip
    with pytest.raises(KeyError, match="city:atlantis"):
        describe_axes(
            xr.Dataset({}, {"zone": ["city:atlantis"]}), "risk.nc", region="mekong", asof=ASOF
        )


def test_a_time_has_its_bounds(files: dict[str, Path]) -> None:
    ends = {}
    for name in FILES:
        with xr.open_dataset(files[name]) as ds:
            assert ds["time"].attrs["standard_name"] == "time"
            assert (ds["time_bnds"].values[:, 0] == ds["time"].values).all()
            ends[name] = [str(end.astype("M8[D]")) for end in ds["time_bnds"].values[-2:, 1]]
            assert ds.attrs["time_coverage_end"] == "2022-01-01T00:00:00Z"
    assert ends == {
        "risk.nc": ["2021-12-31", "2022-01-01"],
        "monthly.nc": ["2021-12-01", "2022-01-01"],
        "monthly_gauges.nc": ["2021-12-01", "2022-01-01"],
    }
    with xr.open_dataset(files["monthly.nc"]) as ds:
        years = ds["year_bnds"].values.astype("M8[D]").astype(str).tolist()
        assert years[-1] == ["2021-01-01", "2022-01-01"]
        assert ds["wet_season_onset"].sel(year="2021", zone="city:pakse").size == 1


@pytest.mark.filterwarnings("ignore:The ioos_sos checker is deprecated")
@pytest.mark.parametrize("name", FILES)
def test_what_discovery_highly_recommends_is_there(
    files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    with xr.open_dataset(files[name]) as ds:
        unnamed = {str(key) for key in ds.data_vars if "standard_name" not in ds[key].attrs}
    errors = find_errors(files[name], DISCOVERY)
    assert {error for error in errors if not error.endswith(": standard_name")} == set()
    lacking = {error.split('"')[1] for error in errors}
    assert lacking <= unnamed, "CF has no standard name for an index"
    assert not {"rain", "rain_1d", "time", "lat", "lon"} & lacking
    broken = tmp_path / "broken.nc"
    broken.write_bytes(files[name].read_bytes())
    with netCDF4.Dataset(broken, "a") as ds:
        del ds.summary
        del ds["time"].long_name
    errors = find_errors(broken, DISCOVERY)
    assert any("summary not present" in error for error in errors)
    assert any('"time"' in error and "long_name" in error for error in errors)


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo of GDAL is not installed")
@pytest.mark.parametrize("name", FILES)
def test_gdal_opens_the_files_as_points_with_names(files: dict[str, Path], name: str) -> None:
    command = ["ogrinfo", "-ro", "-al", str(files[name])]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count, place, named = {
        "risk.nc": (2, "zone", "Mun"),
        "monthly.nc": (2, "zone", "Mun"),
        "monthly_gauges.nc": (1, "station", "Pakse"),
    }[name]
    assert "Geometry: Point" in told
    assert f"Feature Count: {count}" in told
    assert f"{place}_name (String) = {named}" in told
    assert 'GEOGCRS["WGS 84"' in told
    with xr.open_dataset(files[name]) as ds:
        points = zip(ds["lon"].values, ds["lat"].values, strict=True)
        assert [f"POINT ({lon} {lat})" in told for lon, lat in points] == [True] * count


def test_a_reference_period_begins_no_earlier_than_its_data(files: dict[str, Path]) -> None:
    with xr.open_dataset(files["risk.nc"]) as ds:
        assert "reference_period" not in ds.attrs
        begins = {
            str(name): da.attrs["reference_period"].partition("/")[0]
            for name, da in ds.items()
            if "reference_period" in da.attrs
        }
    assert begins == {
        "rain_return_period": "2000-01-01",
        "spi30": "2000-01-01",
        "spi90": "2000-01-01",
        "soil_moisture_percentile": SMAP_DAY,
        "vhi": "2000-01-06",
        "drought_score": SMAP_DAY,
    }
