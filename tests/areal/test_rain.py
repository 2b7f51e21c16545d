"""Rain of half-hours from all products and over cities, from uniform grids in a real archive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.areal import daily_series
from pipeline.areal import rain as areal_rain
from pipeline.geography.grid import MEKONG
from pipeline.storage.archive import Archive
from pipeline.times import utc64
from tests.areal.uniform_grids import ASOF, DAY, NIGHT, put, zone


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def test_late_alone_then_early_and_gk2a_by_their_error_variance(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [1.0] * 20)
    put(archive, "imerg_early", "rain_rate", [2.0] * 40)
    put(archive, "gk2a", "rain_rate", [4.0, 5.0, 6.0] * 48, step=timedelta(minutes=10))
    rate = areal_rain.read_half_hourly_rain(archive, **NIGHT)["rain_rate"]
    # Assumed scatter 0.45 and 0.65: weights 4.938 and 2.367, so (9.877 + 11.834) / 7.305.
    np.testing.assert_allclose(
        rate[:, 100, 80].values, [1.0] * 20 + [2.9720] * 20 + [5.0] * 8, atol=1e-4
    )
    ds = daily_series.make_daily_series(archive, **NIGHT)[0]
    assert zone(ds, "rain") == pytest.approx(0.5 * (20 * 1 + 20 * 2.9720 + 8 * 5), rel=1e-5)


def test_a_cell_missing_from_late_is_filled_from_early(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [np.nan, 1.0])
    put(archive, "imerg_early", "rain_rate", [2.0, 2.0])
    rate = areal_rain.read_half_hourly_rain(archive, **NIGHT)["rain_rate"]
    assert rate[:3, 0, 0].values.tolist()[:2] == [2.0, 1.0]
    assert np.isnan(rate[2, 0, 0])


def test_city_rain_is_the_last_hours_in_millimetres(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [2.0] * 48)
    rain = areal_rain.read_city_rain(archive, asof=ASOF, hours=24, region="mekong")
    assert rain.sizes["time"] == 48
    vientiane = rain.sel(zone="city:vientiane")
    assert float(vientiane.sum()) == pytest.approx(47.0)  # 00:30 to 24:00 of the day, 1 mm each
    assert np.isnan(vientiane[-1])
    assert not any(str(zone).startswith("basin:") for zone in rain["zone"].values)


def test_a_night_learns_only_from_the_nights_before(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    put(archive, "imerg_late", "rain_rate", [1.0] * 48)
    put(archive, "gk2a", "rain_rate", [4.0] * 48)
    pairs = areal_rain.make_rain_pairs(archive, asof=ASOF, region="mekong")
    assert pairs is not None
    np.testing.assert_allclose(pairs["gk2a"].sel(zone="basin:chi"), [96.0], rtol=1e-5)
    np.testing.assert_allclose(pairs["gk2a_late"].sel(zone="basin:chi"), [24.0], rtol=1e-5)
    archive.append("rain_pairs", pairs, message="test")
    tomorrow = ASOF + timedelta(days=1)
    put(archive, "gk2a", "rain_rate", [4.0] * 3, start=DAY + timedelta(days=1),
        step=timedelta(minutes=10), known=tomorrow)  # fmt: skip
    at = MEKONG.shape[0] // 2, MEKONG.shape[1] // 2
    days: Any = {"start": DAY + timedelta(days=1), "end": DAY + timedelta(days=1, hours=1)}
    days["region"] = "mekong"
    tonight = areal_rain.read_half_hourly_rain(archive, asof=ASOF.replace(hour=23), **days)
    assert not (tonight["rain_rate"] == 4.0).any(), "not there yet"
    later = areal_rain.read_half_hourly_rain(archive, asof=tomorrow, **days)["rain_rate"][0][at]
    assert float(later) == pytest.approx(4.0 * (24 + 60) / (96 + 60), rel=1e-5)
    assert (
        areal_rain.make_rain_pairs(Archive(tmp_path / "other"), asof=ASOF, region="mekong") is None
    )
    assert utc64(datetime(2026, 8, 19, tzinfo=UTC)) == pairs["time"].values[0]
