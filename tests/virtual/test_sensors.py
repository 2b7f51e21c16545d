"""Errors of satellites and gauges; those of a whole record are in test_basin.py."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipeline.virtual import sensors
from pipeline.virtual.lattice import BASIN

DAYS = np.arange("2018-01-01", "2019-01-01", dtype="M8[D]")


def test_satellite_passes_missing_on() -> None:
    nodes = np.full(len(BASIN.lat), np.nan)
    assert np.isnan(sensors.satellite_rain(1, "gk2a", date(2020, 1, 1), nodes)).all()


def test_noise_depends_on_seed_product_and_day_alone_and_fades_with_distance() -> None:
    sensors.draw_field.cache_clear()
    field = sensors.draw_field(3, 4, 700_000)
    for other in ((4, 4, 700_000), (3, 5, 700_000), (3, 4, 700_001)):
        assert not np.allclose(sensors.draw_field(*other), field)
    sensors.draw_field.cache_clear()
    np.testing.assert_array_equal(sensors.draw_field(3, 4, 700_000), field)
    many = sensors.draw_field(3, 4, 1, count=4000)
    np.testing.assert_allclose(many.std(0), 1.0, atol=0.06)
    here, there = (int(BASIN.distance_km(lat, 104.0).argmin()) for lat in (15.0, 16.0))
    together = np.corrcoef(many[:, here], many[:, there])[0, 1]
    assert together == pytest.approx(np.exp(-111.2 / 150.0), abs=0.05)


def test_the_error_of_soil_is_slow_over_a_month() -> None:
    firsts = [
        [sensors.soil_error(3, date(year, month, day)) for day in (1, 2)]
        for year in (2018, 2019, 2020)
        for month in range(1, 13)
    ]
    first, second = np.swapaxes(firsts, 0, 1)
    # On the first of a month all of the slow part is that month's: 0.85 of it, 0.4 of the daily.
    assert first.std() == pytest.approx(0.02 * np.hypot(0.85, 0.4), rel=0.1)
    slow = 0.85**2 / (0.85**2 + 0.4**2)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(slow, abs=0.08)
    assert abs(np.corrcoef(first[:-1].ravel(), first[1:].ravel())[0, 1]) < 0.2


def test_a_rain_gauge_catches_less_than_fell_and_ends() -> None:
    rain = pd.DataFrame({"013901": np.full(len(DAYS), 100.0)})
    readings = sensors.rain_readings(1, DAYS, rain)
    # The total of 31 December would be dated 1 January 2019, when the gauge had ended.
    assert readings["valid_time"].min() == pd.Timestamp("2018-01-02")
    assert readings["valid_time"].max() == pd.Timestamp("2018-12-31")
    assert readings["value"].median() == pytest.approx(95.0, abs=2.5)
    assert 0.93 < len(readings) / len(DAYS) < 1.0
    wait = readings["arrival_time"] - readings["valid_time"]
    assert wait.between(pd.Timedelta("8min"), pd.Timedelta("25min")).all()


def test_discharge_is_rated_once_a_day_an_hour_after_the_stage() -> None:
    times = np.arange("2018-01-01", "2019-01-01", 12, dtype="M8[h]")
    flow = pd.DataFrame({"013901": np.full(len(times), 20_000.0)})
    readings = sensors.flow_readings(1, times, flow)
    assert (readings["valid_time"].dt.hour == 0).all()
    assert (readings["arrival_time"] - readings["valid_time"] == pd.Timedelta("80min")).all()
    assert np.log(readings["value"] / 20_000.0).std() == pytest.approx(0.04, rel=0.15)


def test_a_wrong_zero_lasts_a_year() -> None:
    times = np.arange("2013-06-01", "2015-06-01", 12, dtype="M8[h]")
    stages = pd.DataFrame({"013102": np.full(len(times), 5.0)})
    readings = sensors.stage_readings(1, times, stages)
    by_year = readings.groupby(readings["valid_time"].dt.year)["value"].median()
    assert by_year.to_dict() == pytest.approx({2013: 5.0, 2014: 5.5, 2015: 5.0}, abs=0.01)
    assert readings["arrival_time"].is_monotonic_increasing
