"""Daily rain keeps the climatology, and half-hours share it."""

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.virtual import climate, weather
from pipeline.virtual.lattice import BASIN
from pipeline.virtual.weather import DAYS, MONTH
from tests.virtual.reaches import reaches

LAT, LON = BASIN.lat, BASIN.lon


@pytest.fixture(scope="module")
def monthly() -> np.ndarray:
    return climate.climatology(reaches())


@pytest.fixture(scope="module")
def rain(monthly: np.ndarray) -> np.ndarray:
    return weather.daily_rain(7, monthly)


def test_rain_repeats_with_its_seed_and_differs_with_another(
    monthly: np.ndarray, rain: np.ndarray
) -> None:
    assert weather.daily_rain(7, monthly).tobytes() == rain.tobytes()
    other = weather.daily_rain(8, monthly)
    assert np.corrcoef(other[4000:5000].mean(1), rain[4000:5000].mean(1))[0, 1] < 0.9


def test_rain_keeps_the_climatology(monthly: np.ndarray, rain: np.ndarray) -> None:
    assert rain.min() == 0.0
    assert rain.shape == (len(DAYS), len(LAT))
    basin = (LAT > 12) & (LAT < 22) & (LON > 101) & (LON < 107)
    for month in range(5, 10):
        mean = rain[month == MONTH][:, basin].mean() * 30.6
        assert mean == pytest.approx(monthly[month, basin].mean(), rel=0.05)
    wet_days = (rain[MONTH == 7][:, basin] > 0).mean()
    dry_days = (rain[MONTH == 0][:, basin] > 0).mean()
    assert dry_days < 0.25
    assert 0.6 < wet_days < 0.95


def test_storms_of_the_scenario_are_there(rain: np.ndarray) -> None:
    coast = int(BASIN.distance_km(18.0, 105.0).argmin())
    for storm in weather.SCENARIO_CYCLONES:
        first = (storm.day - weather.START).days
        assert rain[first : first + 3, coast].sum() > 100.0


def test_cyclone_by_hand() -> None:
    rain = np.zeros((len(DAYS), len(LAT)))
    storm = weather.Cyclone(date(2000, 9, 1), 16.0, 105.0, 0.0, -1.0, (30.0, 20.0, 10.0))
    weather._add_cyclone(rain, storm)
    first = (date(2000, 9, 1) - weather.START).days
    node = (LAT == 16.0) & (LON == 105.0)
    away_km = 111.2 * np.cos(np.radians(16.0))
    assert rain[first, node][0] == pytest.approx(30.0)
    assert rain[first + 1, node][0] == pytest.approx(20.0 * np.exp(-((away_km / 260) ** 2)))
    assert rain[first + 3].max() == 0.0


def test_half_hours_share_the_day() -> None:
    share = weather.draw_half_hourly_shares(3, date(2020, 8, 1))
    assert share.shape == (48, len(LAT))
    assert share.min() >= 0
    np.testing.assert_allclose(share.sum(0), 1.0, atol=1e-5)
    weather.draw_half_hourly_shares.cache_clear()
    assert weather.draw_half_hourly_shares(3, date(2020, 8, 1)).tobytes() == share.tobytes()
    assert not np.array_equal(weather.draw_half_hourly_shares(3, date(2020, 8, 2)), share)


def test_land_rains_in_the_afternoon_and_by_spells() -> None:
    inland = (LAT > 14) & (LAT < 18) & (LON > 101) & (LON < 105)
    days = [weather.draw_half_hourly_shares(3, date(2020, 7, 1) + timedelta(n)) for n in range(40)]
    mean = np.mean(days, axis=0)[:, inland].mean(1)
    afternoon, morning = mean[14:28], mean[[*range(38, 48), *range(4)]]  # 14-21 h, 2-9 h local
    assert afternoon.mean() > 1.5 * morning.mean()
    raining = np.mean([(day[:, inland] > 0.005).mean() for day in days])
    assert 0.2 < raining < 0.7
