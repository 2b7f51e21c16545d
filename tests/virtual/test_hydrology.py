"""Routing, ratings, lake and tide: volumes are kept, and figures by hand."""

import numpy as np
import pytest

from pipeline.geography import places
from pipeline.virtual import hydrology
from pipeline.virtual.weather import DAYS


@pytest.mark.parametrize("travel_d", [0.3, 1.0, 3.0])
def test_muskingum_keeps_volume_and_takes_its_time(travel_d: float) -> None:
    pulse = np.zeros(400)
    pulse[20:40] = 100.0
    routed = hydrology.route_muskingum(pulse, travel_d)
    assert routed.sum() == pytest.approx(pulse.sum(), rel=1e-6)
    steps = np.arange(400)
    delay = (routed @ steps - pulse @ steps) / pulse.sum() / hydrology.STEPS
    assert delay == pytest.approx(travel_d, rel=0.02)
    assert routed.min() > -1e-9


def test_flood_plain_cuts_the_crest_and_keeps_the_volume() -> None:
    flow = np.full(2000, 1000.0)
    flow[100:140] = 50_000.0
    through = hydrology.route_flood_plain(flow, 30_000.0, 8.0)
    assert through.max() < 45_000.0
    assert through.sum() == pytest.approx(flow.sum(), rel=1e-6)
    np.testing.assert_array_equal(through[:100], flow[:100])


@pytest.mark.parametrize("code", ["010501", "011901", "014901"])
def test_ratings_by_hand(code: str) -> None:
    scale, level_m, exponent = {
        "010501": (246.7, -0.77, 1.7), "011901": (290.0, -1.77, 1.6), "014901": (177.0, 2.11, 1.9),
    }[code]  # fmt: skip
    gauge = hydrology.GAUGES[code]
    flow = scale * (9.0 - level_m) ** exponent
    assert gauge.level_m + (flow / gauge.scale) ** (1 / gauge.exponent) == pytest.approx(9.0)


def test_rating_through_two_points() -> None:
    for code, points in (
        ("013101", ((1550.0, 1.0), (26500.0, 11.4))),
        ("013901", ((1800.0, 0.9), (37000.0, 12.0))),
    ):
        gauge = hydrology.GAUGES[code]
        for flow, stage in points:
            found = gauge.level_m + (flow / gauge.scale) ** (1 / gauge.exponent)
            assert found == pytest.approx(stage)


def test_streams_gather_a_days_runoff_in_a_day() -> None:
    pulse = np.zeros(200)
    pulse[20:24] = 100.0
    river = hydrology.gather_runoff(pulse)
    assert river.sum() == pytest.approx(pulse.sum(), rel=1e-9)
    assert river.min() >= 0
    steps = np.arange(200)
    delay = (river @ steps - pulse @ steps) / pulse.sum() / hydrology.STEPS
    # A store that empties by a share each step holds water for 1 / (e^(1/k) - 1) steps.
    k = hydrology.STEPS * hydrology.GATHER_D / hydrology.GATHER_STORES
    assert delay == pytest.approx(2 / (np.exp(1 / k) - 1) / hydrology.STEPS, rel=1e-6)
    assert delay == pytest.approx(hydrology.GATHER_D, rel=0.25)


def test_lake_breathes_in_with_the_flood_and_out_after_it() -> None:
    steps = 365 * hydrology.STEPS
    season = np.cos(2 * np.pi * (np.arange(steps) / steps - 0.65))
    river = 17_000.0 + 15_000.0 * season
    below, level, lake = hydrology._exchange_with_lake(np.tile(river, 3), np.full(3 * steps, 800.0))
    exchange = (below - np.tile(river, 3))[steps:]
    assert exchange.min() < -3000.0
    assert exchange.max() > 3000.0
    lag = int(lake[-steps:].argmax()) - int(level[-steps:].argmax())
    assert 0 < lag < 60 * hydrology.STEPS
    gained = (800.0 - (below - np.tile(river, 3))).sum() * 86400 / hydrology.STEPS
    depth = lake - hydrology._LAKE_BOTTOM_M
    volume = hydrology._LAKE_AREA_M2 * depth + hydrology._LAKE_SPREAD_M * depth**2 / 2
    assert volume[-1] - volume[0] == pytest.approx(gained, rel=0.01)


def test_pond_keeps_volume() -> None:
    flow = np.full(400, 500.0)
    held = hydrology._route_dam(flow, np.tile([0.8, 2.0], 200))
    assert held.mean() == pytest.approx(500.0, rel=0.01)
    assert held.std() > 10.0


def test_tide_beats_between_spring_and_neap() -> None:
    hours = np.arange(0.0, 24 * 29)
    height = hydrology.tide(hours, lag_h=0.0)
    daily = height.reshape(-1, 24)
    ranges = np.ptp(daily, axis=1)
    assert np.abs(height).max() <= 1.0
    assert ranges.max() > 1.3 * ranges.min()


def test_order_puts_every_basin_above_its_downstream() -> None:
    basins = places.basins()
    order = hydrology._downstream_order(basins)
    assert sorted(order) == sorted(basins)
    for name, basin in basins.items():
        if basin.downstream:
            assert order.index(name) < order.index(basin.downstream)


def test_rivers_keep_the_water_above_kratie() -> None:
    basins = places.basins()
    lateral = np.zeros((len(DAYS), len(basins)))
    lateral[:, list(basins).index("nam_ou")] = 1000.0
    lateral[:, list(basins).index("mun")] = 500.0
    flow = hydrology.route_rivers(1, lateral, basins).flow_m3s
    assert flow["011201"][-1] == pytest.approx(1000.0)
    assert flow["013801"][-1] == pytest.approx(1000.0)
    assert flow["014901"][-1] == pytest.approx(1500.0)
