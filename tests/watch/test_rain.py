"""Rain of the last hours: hand-computed return periods, products that stand in, and gaps."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from pipeline.areal.rain import HALF_HOUR
from pipeline.geography.places import zones
from pipeline.indices import suite
from pipeline.issuance.snapshot import Snapshot
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.watch.rain import HOURS, RecentRain, assess_recent_rain, short_return_periods
from tests.areal.uniform_grids import put
from tests.watch.watch_cases import params

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
NOW = datetime(2026, 8, 20, 8, 15, tzinfo=UTC)
TEN = timedelta(minutes=10)


def gumbel_years(day_mm: float) -> float:
    """Return period of a day's rain by these parameters, years."""
    return float(1.0 / (1.0 - math.exp(-math.exp(-(day_mm - 50.0) / 10.0))))


def series(values: list[float]) -> xr.DataArray:
    time = np.datetime64("2026-08-20T00:00", "ns") + np.arange(len(values)) * HALF_HOUR
    mm = np.array(values)[:, None]
    return xr.DataArray(mm, {"time": time, "zone": ["a"]}, attrs={"units": "mm"})


def snapshot(tmp_path: Path, *, models: bool = True) -> Snapshot:
    ids = list(zones())
    name = suite.EXTREMES[0].params_in("zones")
    model = SimpleNamespace(parameters=lambda: {name: params(ids)})
    records = Records(f"sqlite:///{tmp_path / 'records.db'}")
    archive = Archive(tmp_path / "archive")
    return Snapshot(archive, records, NOW, {"drought": model} if models else {}, "")


def test_each_duration_has_the_return_period_of_its_equivalent_day() -> None:
    rain = series([0.0] * 6 + [5.0] * 6)
    found = short_return_periods(rain=rain, parameters=params(["a"])).isel(time=-1, zone=0)
    assert found["depth"].values.tolist() == [10.0, 30.0, 30.0]
    # 10 x 24^(1/3), 30 x 8^(1/3) and 30 x 4^(1/3) mm.
    days = [10.0 * 24 ** (1 / 3), 60.0, 30.0 * 4 ** (1 / 3)]
    assert found["years"].values == pytest.approx([gumbel_years(mm) for mm in days], rel=1e-4)


def test_a_gap_is_missing_and_never_dry() -> None:
    rain = series([4.0] * 11 + [np.nan])
    found = short_return_periods(rain=rain, parameters=params(["a"])).isel(time=-1, zone=0)
    assert np.isnan(found["years"].sel(duration_h=1))
    assert float(found["depth"].sel(duration_h=3)) == pytest.approx(24.0)  # 5 of 6, scaled
    assert float(found["depth"].sel(duration_h=6)) == pytest.approx(48.0)
    rain = series([np.nan] * 4 + [4.0] * 8)
    found = short_return_periods(rain=rain, parameters=params(["a"])).isel(time=-1, zone=0)
    assert np.isnan(found["years"].sel(duration_h=6)), "8 of 12 are too few"


def test_return_periods_are_lazy_and_the_same_in_chunks() -> None:
    rain = series(np.random.default_rng(0).gamma(0.5, 8.0, 48).tolist())
    whole = short_return_periods(rain=rain, parameters=params(["a"]))
    parts = short_return_periods(rain=rain.chunk({"zone": 1}), parameters=params(["a"]))
    assert all(parts[name].chunks is not None for name in ("depth", "years"))
    xr.testing.assert_allclose(parts.compute(), whole)


def test_the_rarest_rain_of_the_last_hours_is_told_with_its_product(tmp_path: Path) -> None:
    store = snapshot(tmp_path)
    # 60 mm between 05:00 and 08:00: 60 x 8^(1/3) = 120 mm a day, capped at twice 40 years.
    rates = [0.0] * 27 + [20.0] * 18
    put(store.archive, "gk2a", "rain_rate", rates, start=NIGHT, step=TEN, known=NOW)
    pakse = assess_recent_rain(store, since=NIGHT)["pakse"]
    assert pakse.years == 80.0
    assert (pakse.product, pakse.until) == ("gk2a", datetime(2026, 8, 20, 8, 0, tzinfo=UTC))
    assert pakse.depth_mm == pytest.approx(20.0 * pakse.hours, rel=1e-5)
    evidence = pakse.evidence()
    assert (evidence.tier, evidence.duration_h) == ("gk2a", pakse.hours)
    assert evidence.return_period_years == 80.0


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({"gk2a": 15, "imerg_early": 6, "gk2a_ir": 15}, "gk2a"),
        ({"gk2a": 4, "imerg_early": 13, "gk2a_ir": 15}, "imerg_early"),
        ({"gk2a": 4, "imerg_early": 6, "gk2a_ir": 15}, "gk2a_ir"),
    ],
)
def test_where_gk2a_is_late_early_and_then_the_infrared_stand_in(
    tmp_path: Path, ends: dict[str, int], said: str
) -> None:
    store = snapshot(tmp_path)
    for product, end in ends.items():
        rates = [0.0] * 4 + [15.0] * (end - 4)
        put(store.archive, product, "rain_rate", rates, start=NIGHT, known=NOW)
    pakse = assess_recent_rain(store, since=NIGHT)["pakse"]
    assert pakse.product == said
    assert pakse.years > 5.0
    assert pakse.until is not None
    assert pakse.until <= NIGHT + timedelta(minutes=30 * max(ends.values()))


def test_unknown_without_products_models_or_half_hours_since_the_night(tmp_path: Path) -> None:
    store = snapshot(tmp_path)
    nothing = assess_recent_rain(store, since=NIGHT)
    assert set(map(str, nothing.values())) == {str(nothing["pakse"])}
    assert math.isnan(nothing["pakse"].years)
    assert nothing["pakse"].evidence().tier == ""
    put(store.archive, "gk2a", "rain_rate", [30.0] * 10, start=NIGHT, known=NOW)
    later = assess_recent_rain(store, since=NOW)["pakse"]
    assert math.isnan(later.years), "all of it ended before the night"
    other = snapshot(tmp_path / "other", models=False)
    assert set(map(str, assess_recent_rain(other, since=NIGHT).values())) == {str(RecentRain())}


def test_durations_are_those_of_the_return_levels() -> None:
    assert HOURS == (1, 3, 6)
