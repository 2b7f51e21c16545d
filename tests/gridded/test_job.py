"""The indices of the grid: the same as those of zones, kept, resumed, applied night by night."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline import steps
from pipeline.console import describe_indices
from pipeline.geography.grid import Grid
from pipeline.gridded import encoding
from pipeline.gridded import job as gridded_job
from pipeline.indices import daily, suite
from pipeline.indices.flow import fit_sri, sri
from pipeline.indices.rain import accumulation
from pipeline.indices.spei import fit_spei, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.windows import moving_sum
from pipeline.settings import Settings
from pipeline.storage.archive import Archive, NothingArchived
from tests.benchmarks import record as generated

GRID = Grid(10.0, 11.2, 100.0, 100.4)
"""12 x 4 cells: two blocks, the second of two rows."""
FIRST, END = 2004, 2025
ASOF = datetime(END, 1, 3, 0, 30, tzinfo=UTC)
PERIOD: dict[str, Any] = {
    "start": datetime(FIRST, 1, 1, tzinfo=UTC),
    "end": datetime(END, 1, 1, tzinfo=UTC),
}
NIGHT = ASOF + timedelta(days=1)
NEW = PERIOD["end"]
"""First of the three days that :func:`night` puts."""
DAY = np.timedelta64(1, "D")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archive of 21 years of all inputs, without indices."""
    folder = tmp_path_factory.mktemp("inputs") / "archive"
    generated.record(folder, first=FIRST, end=END, grid=GRID, years=21)
    return folder


@pytest.fixture(scope="module")
def computed(
    inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Archive, gridded_job.JobResult]:
    """The same with the indices of the whole record."""
    archive = copied(inputs, tmp_path_factory.mktemp("made"))
    return archive, gridded_job.compute_record(archive, asof=ASOF)


def copied(folder: Path, to: Path) -> Archive:
    shutil.copytree(folder, to / "archive")
    return Archive(to / "archive")


def series(archive: Archive, product: str, name: str, asof: datetime = ASOF) -> xr.DataArray:
    """What an input holds, with the cells as zones."""
    da = archive.read(product, asof=asof)[name].drop_vars(["spatial_ref", "available_time"])
    return da.stack(zone=("lat", "lon"), create_index=False).drop_vars(["lat", "lon"]).compute()


def stacked(
    archive: Archive,
    product: str = gridded_job.DAILY,
    asof: datetime = ASOF,
    start: datetime | None = None,
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Some indices, or all, from a day on, with the cells as zones."""
    ds = archive.read(product, asof=asof, start=start)
    ds = ds[list(names or ds.data_vars)].drop_vars(["spatial_ref", "available_time"])
    return ds.stack(zone=("lat", "lon"), create_index=False).drop_vars(["lat", "lon"]).compute()


def test_the_record_is_made_whole(computed: tuple[Archive, gridded_job.JobResult]) -> None:
    archive, done = computed
    assert (done.fitted, done.months, done.period) == (True, 252, "2004-01-01/2025-01-01")
    assert done.days == 21 * 365 + 6
    assert done.provisional
    ds = archive.read(gridded_job.DAILY, asof=ASOF)
    assert ds.sizes == {"time": done.days, "lat": 12, "lon": 4}
    assert ds.rio.crs.to_epsg() == 4326
    assert {da.dtype for da in ds.data_vars.values()} == {np.dtype("f4")}
    assert ds["spi_90d"].attrs["reference_period"] == "2004-01-01/2025-01-01"
    assert archive.origin(gridded_job.DAILY) == "virtual"
    assert describe_indices(done).startswith(
        "indices of the grid: 7671 days and 252 months made; reference "
    )


def test_cells_and_zones_have_the_same_indices(
    computed: tuple[Archive, gridded_job.JobResult],
) -> None:
    archive, _ = computed
    rain, soil = series(archive, "imerg_daily", "rain"), series(archive, "smap", "soil_moisture")
    areal = xr.Dataset({
        "rain": rain, "soil_moisture": soil.reindex(time=rain["time"]),
        "ndvi": rain * np.nan, "lst": rain * np.nan,
    })  # fmt: skip
    areal["ndvi"].attrs["units"], areal["lst"].attrs["units"] = "1", "K"
    areal["soil_moisture"].attrs["units"] = "m3 m-3"
    parameters = daily.fit_reference(areal, **PERIOD)
    state = daily.drought_state(areal, parameters=parameters)
    pairs = {"spi_30d": "spi30", "spi_90d": "spi90", "drought_score": "drought_score",
             "soil_moisture_percentile": "soil_moisture_percentile"}  # fmt: skip
    indices = stacked(archive, names=[*pairs, "drought_class"])
    for ours, theirs in pairs.items():
        step = 0.01 if ours.endswith("percentile") else 0.001
        np.testing.assert_allclose(indices[ours], state[theirs], atol=0.51 * step + 1e-4)
        assert indices[ours].notnull().mean() > (0.35 if "soil" in ours else 0.9)
    same = indices["drought_class"].values == state["drought_class"].values
    assert (same | indices["drought_class"].isnull().values).mean() > 0.999


def test_months_and_evaporation_against_plain_calls(
    computed: tuple[Archive, gridded_job.JobResult],
) -> None:
    archive, _ = computed
    rain, pet = series(archive, "imerg_daily", "rain"), series(archive, "gldas", "pet")
    pet = pet.reindex(time=rain["time"]).assign_attrs(units="mm")
    daily_indices = stacked(archive, names=["spei_30d"])
    balance = water_balance(rain=rain, pet=pet, steps=30, min_share=suite.MIN_SHARE)
    expected = spei(balance=balance, parameters=fit_spei(balance=balance, **PERIOD))
    np.testing.assert_allclose(daily_indices["spei_30d"], expected, atol=0.0006)
    monthly = rain.resample(time="MS").sum().assign_attrs(units="mm")
    total = accumulation(rain=monthly, steps=6)
    expected = spi(total=total, parameters=fit_spi(total=total, **PERIOD))
    by_month = stacked(archive, gridded_job.MONTHLY, names=["spi_6m", "sri_3m"])
    np.testing.assert_allclose(by_month["spi_6m"], expected, atol=0.0006)
    assert by_month["spi_6m"].notnull().sum("time").max() == 252 - 5
    runoff = series(archive, "gldas_monthly", "runoff").assign_attrs(units="mm")
    total = moving_sum(values=runoff, steps=3).assign_attrs(units="mm")
    expected = sri(runoff=total, parameters=fit_sri(runoff=total, **PERIOD))
    expected = expected.reindex(time=by_month["time"])  # the last two months come later
    np.testing.assert_allclose(by_month["sri_3m"], expected, atol=0.0006)


def test_vegetation_counts_for_its_month_and_45_days(
    computed: tuple[Archive, gridded_job.JobResult],
) -> None:
    archive, _ = computed
    health = stacked(archive, names=["vhi"])["vhi"]
    ndvi = series(archive, "ndvi", "ndvi")
    cell, cloudy = (int(position) for position in np.argwhere(ndvi.isnull().values.T)[0])
    month = ndvi["time"].values[cloudy]
    before = health.isel(zone=cell).sel(time=month - DAY)
    assert health.isel(zone=cell).sel(time=month).item() == before.item()
    assert health.sel(time=slice(None, ndvi["time"].values[0] - DAY)).isnull().all()


def test_a_rerun_changes_nothing(computed: tuple[Archive, gridded_job.JobResult]) -> None:
    archive, done = computed
    snapshot = archive.snapshot
    again = gridded_job.compute_record(archive, asof=ASOF)
    assert (again.reference, again.fitted, again.days, again.months) == (
        done.reference, False, 0, 0,
    )  # fmt: skip
    assert archive.snapshot == snapshot


@pytest.mark.slow
def test_the_same_inputs_have_the_same_reference(
    inputs: Path, computed: tuple[Archive, gridded_job.JobResult], tmp_path: Path
) -> None:
    archive = copied(inputs, tmp_path)
    later = gridded_job.compute_record(archive, asof=ASOF + timedelta(hours=5))
    assert later.reference == computed[1].reference
    # Asked for a moment before, the same fit serves: it rests on nothing that was not known then.
    assert gridded_job.compute_record(archive, asof=ASOF).reference == later.reference
    assert [reference["id"] for reference in archive.references()] == [later.reference]


def night(archive: Archive, *, rain_mm: Sequence[float], n_valid: Sequence[float] = (48,)) -> None:
    """Put three more days of rain into an archive, alike where one value is given."""
    days = np.array([f"{END}-01-01", f"{END}-01-02", f"{END}-01-03"], "M8[ns]")
    full = {
        name: np.broadcast_to(np.array(values, "f4")[:, None, None], (3, *GRID.shape)).copy()
        for name, values in (("rain", rain_mm), ("n_valid", n_valid))
    }
    archive.append("imerg_daily", generated.known(GRID.dataset(days, **full), 20), message="night")


@pytest.fixture(scope="module")
def applied(
    computed: tuple[Archive, gridded_job.JobResult], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Archive, gridded_job.JobResult]:
    """The record with a night of 25 mm more, computed at it."""
    archive = copied(computed[0].folder, tmp_path_factory.mktemp("applied"))
    night(archive, rain_mm=[25.0])
    return archive, gridded_job.compute_newest(archive, asof=NIGHT)


def test_a_night_applies_what_was_fitted(
    computed: tuple[Archive, gridded_job.JobResult],
    applied: tuple[Archive, gridded_job.JobResult],
) -> None:
    archive, done = applied
    assert (done.reference, done.fitted) == (computed[1].reference, False)
    new_days = days("2025-01-01", "2025-01-04")
    known = archive.since(gridded_job.DAILY, asof=NIGHT, digest=encoding.to_marker(done.reference))
    assert done.days == 4  # and one that is settled since yesterday
    assert set(new_days) <= set(known)
    rain = series(archive, "imerg_daily", "rain", NIGHT)
    total = accumulation(rain=rain, steps=30, min_share=suite.MIN_SHARE)
    by_hand = spi(total=total, parameters=fit_spi(total=total, **PERIOD))[-3:]
    indices = stacked(archive, asof=NIGHT, start=NEW)
    np.testing.assert_allclose(indices["spi_30d"], by_hand, atol=0.0006)
    assert (indices["dry_spell"] == 0).all()
    np.testing.assert_allclose(indices["rain_3d"].isel(time=-1), 75.0, atol=0.05)
    snapshot = archive.snapshot
    assert gridded_job.compute_newest(archive, asof=NIGHT).days == 0
    assert archive.snapshot == snapshot
    # What was known before the night is as it was.
    assert archive.read(gridded_job.DAILY, asof=ASOF).sizes["time"] == computed[1].days


@pytest.mark.slow
def test_nights_and_the_record_say_the_same(
    computed: tuple[Archive, gridded_job.JobResult],
    applied: tuple[Archive, gridded_job.JobResult],
    tmp_path: Path,
) -> None:
    record = copied(computed[0].folder, tmp_path)
    night(record, rain_mm=[25.0])
    gridded_job.compute_record(record, asof=NIGHT)
    xr.testing.assert_equal(
        stacked(applied[0], asof=NIGHT, start=NEW),
        stacked(record, asof=NIGHT, start=NEW),
    )


@pytest.mark.slow
def test_a_day_is_made_again_once_it_is_settled(
    applied: tuple[Archive, gridded_job.JobResult], tmp_path: Path
) -> None:
    archive = copied(applied[0].folder, tmp_path)
    days = np.array([f"{END}-01-03"], "M8[ns]")
    revised = GRID.dataset(days, rain=np.full((1, *GRID.shape), 60, "f4"),
                           n_valid=np.full((1, *GRID.shape), 48, "f4"))  # fmt: skip
    archive.append("imerg_daily", generated.known(revised, 24 * 20), message="revised")
    settled = datetime(END, 1, 4, 0, 30, tzinfo=UTC) + gridded_job.SETTLED
    gridded_job.compute_newest(archive, asof=settled)
    at = np.datetime64(f"{END}-01-03")
    first = archive.read(gridded_job.DAILY, asof=NIGHT)["rain_3d"].sel(time=at)
    last = archive.read(gridded_job.DAILY, asof=settled)["rain_3d"].sel(time=at)
    np.testing.assert_allclose(first, 75.0, atol=0.05)
    np.testing.assert_allclose(last, 110.0, atol=0.05)


def test_days_seen_too_briefly_and_impossible_inputs_are_missing(
    computed: tuple[Archive, gridded_job.JobResult], tmp_path: Path
) -> None:
    """The first of three days is seen too briefly, the last has impossible rain."""
    archive = copied(computed[0].folder, tmp_path)
    night(archive, rain_mm=[0.0, 25.0, 1e30], n_valid=[38, 48, 48])
    done = gridded_job.compute_newest(archive, asof=NIGHT)
    indices = stacked(archive, asof=NIGHT, start=NEW)
    assert indices["rain_3d"].isnull().all()
    assert indices["dry_spell"].isnull().all("zone").values.tolist() == [True, False, True]
    assert indices["spi_90d"].notnull().all()  # two of ninety days
    assert done.left_out == {}, "impossible rain makes no result"


def test_impossible_results_are_missing_and_counted(
    computed: tuple[Archive, gridded_job.JobResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = copied(computed[0].folder, tmp_path)
    night(archive, rain_mm=[25.0])
    row = replace(suite.INDICES["rain_3d"], valid_max=60.0)
    monkeypatch.setitem(suite.INDICES, "rain_3d", row)
    done = gridded_job.compute_newest(archive, asof=NIGHT)
    last = stacked(archive, asof=NIGHT, start=NEW).isel(time=-1)
    assert last["rain_3d"].isnull().all(), "75 mm"
    assert done.left_out["indices/rain_3d"] >= 48
    assert "values of indices/rain_3d out of range and left out" in describe_indices(done)


def test_without_a_reference_a_night_makes_nothing(inputs: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    shutil.copytree(inputs, settings.archive_dir)
    archive = Archive(settings.archive_dir)
    snapshot = archive.snapshot
    done = steps.indices(asof=ASOF, settings=settings)
    assert (done.reference, done.days) == ("", 0)
    assert "no reference yet; run: mekong indices --record" in describe_indices(done)
    assert archive.snapshot == snapshot


def test_a_short_record_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    with pytest.raises(steps.UserError, match="no step of imerg_daily was known"):
        steps.indices(asof=ASOF, settings=settings, record=True)
    generated.record(settings.archive_dir, first=2023, end=2025, grid=Grid(10, 10.2, 100, 100.2))
    with pytest.raises(steps.UserError, match=r"expected 20 whole years .*, found 2"):
        steps.indices(asof=ASOF, settings=settings, record=True)
    with pytest.raises(NothingArchived):
        gridded_job.compute_record(
            Archive(settings.archive_dir), asof=datetime(2000, 1, 1, tzinfo=UTC)
        )


@pytest.mark.parametrize("after", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_in_the_middle_nothing_is_half_made(
    inputs: Path,
    computed: tuple[Archive, gridded_job.JobResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    archive = copied(inputs, tmp_path)
    snapshot, blocks = archive.snapshot, gridded_job._compute_block
    blocks_begun: list[slice] = []

    def killed(job: gridded_job.Job, lat: slice, lon: slice, fork: Any) -> Any:
        blocks_begun.append(lat)
        if len(blocks_begun) > after:
            raise KeyboardInterrupt
        return blocks(job, lat, lon, fork)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(gridded_job, "_compute_block", killed)
        gridded_job.compute_record(archive, asof=ASOF)
    assert archive.snapshot == snapshot
    assert gridded_job.DAILY not in archive.products()
    assert archive.references() == []
    if after:  # and the step, whose processes make what threads made
        settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
        assert steps.indices(asof=ASOF, settings=settings, record=True) == computed[1]
        xr.testing.assert_identical(stacked(Archive(settings.archive_dir)), stacked(computed[0]))


def days(first: str, end: str) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return np.arange(first, end, dtype="M8[D]").astype("M8[ns]")


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        ("2001-01-01", "2025-12-31", 2001, 2026),
        ("2000-06-01", "2025-11-30", 2001, 2025),
        ("1981-01-01", "2025-12-31", 1991, 2021),
        ("1991-01-01", "2020-12-31", 1991, 2021),
        ("1991-01-02", "2025-12-31", 1992, 2026),
    ],
)
def test_the_reference_is_the_normal_where_the_record_has_it(
    first: str, last: str, start: int, end: int
) -> None:
    period = gridded_job._choose_period(np.array([first, last], "M8[ns]"))
    assert period == (datetime(start, 1, 1, tzinfo=UTC), datetime(end, 1, 1, tzinfo=UTC))


def test_half_daily_steps_make_a_day_only_together() -> None:
    place = np.array([0, 0, 1, 3, 3])
    values = np.array([1, 3, 5, 7, 9], "f4").reshape(5, 1, 1)
    mean = gridded_job._average_by_day(values, place).ravel()
    np.testing.assert_array_equal(mean, [2.0, np.nan, 8.0])
