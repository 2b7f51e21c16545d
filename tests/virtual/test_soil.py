"""Buckets of soil: no water is lost, and rain runs off by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.virtual import soil

SOIL = list(soil.SOILS.values())


@settings(max_examples=25)
@given(arrays(float, (60, len(SOIL)), elements=st.floats(0, 400)), st.floats(0.2, 4.0))
def test_buckets_lose_no_water(rain: np.ndarray, factor: float) -> None:
    found = soil.simulate_runoff(rain, SOIL, quick_factor=np.full(rain.shape, factor))
    start = 0.5 * np.array([one.capacity_mm for one in SOIL]) + 30.0
    left = rain.sum(0) - found.outflow_mm.sum(0) - found.evaporation_mm.sum(0)
    np.testing.assert_allclose(found.stored_mm[-1] - start, left, atol=1e-6)
    assert found.outflow_mm.min() >= 0
    assert found.evaporation_mm.min() >= 0
    assert found.wetness.min() >= 0
    assert found.wetness.max() <= 1 + 1e-12


def test_quick_factor_moves_water_in_time_only() -> None:
    rain = np.full((400, 1), 8.0)
    slow = soil.simulate_runoff(rain, SOIL[:1], quick_factor=3.0)
    fast = soil.simulate_runoff(rain, SOIL[:1])
    assert slow.outflow_mm[:10].sum() < fast.outflow_mm[:10].sum()
    np.testing.assert_array_equal(slow.evaporation_mm, fast.evaporation_mm)


BUCKET = soil.Soil(100.0, 2.0, 1.0, 1.0, 10.0, 4.0)
"""Of 100 mm, half full at first; full flow runs off within a day, percolation within ten."""


def test_a_day_of_rain_by_hand() -> None:
    day = soil.simulate_runoff(np.array([[10.0]]), [BUCKET])
    direct = 10.0 * 0.5**2
    evaporation = 105.0 / 31.0 * 0.5 / 0.6  # January, from a bucket below 0.6
    percolation = 4.0 * 0.5**2
    left = 50.0 + 10.0 - direct - evaporation - percolation
    fast, base = direct * (1 - np.exp(-1.0)), (30.0 + percolation) * (1 - np.exp(-0.1))
    assert day.evaporation_mm[0, 0] == pytest.approx(evaporation)
    assert day.wetness[0, 0] == pytest.approx(left / 100.0)
    assert day.outflow_mm[0, 0] == pytest.approx(fast + base)
    assert day.stored_mm[0, 0] == pytest.approx(left + direct - fast + 30.0 + percolation - base)


def test_a_full_bucket_spills() -> None:
    day = soil.simulate_runoff(np.array([[400.0]]), [BUCKET])
    assert day.wetness[0, 0] == 1.0
    dry = soil.simulate_runoff(np.zeros((4000, 1)), [BUCKET])
    assert dry.wetness[-1, 0] == pytest.approx(0.0, abs=1e-3)
    assert dry.outflow_mm[-1, 0] == pytest.approx(0.0, abs=1e-3)
