"""SSI by hand, and root-zone moisture from that of the surface."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pipeline.indices.soil import fit_ssi, soil_water_index, ssi
from tests.indices.made_series import END, START, by_month, days_from, series


def test_ssi_by_hand_and_no_further_than_its_years() -> None:
    rng = np.random.default_rng(2)
    soil = by_month(rng.uniform(0.1, 0.4, 360), "m3 m-3")
    params = fit_ssi(soil_moisture=soil, start=START, end=END)
    index = ssi(soil_moisture=soil, parameters=params).values
    april = soil.values[3::12]
    expected = scipy.stats.norm.ppf((scipy.stats.rankdata(april) - 0.44) / 30.12)
    np.testing.assert_allclose(index[3::12], expected, atol=1e-12)
    most = scipy.stats.norm.ppf((30 - 0.44) / 30.12)
    dry = ssi(soil_moisture=(soil * 0 + 0.01).assign_attrs(soil.attrs), parameters=params)
    np.testing.assert_allclose(dry.values, -most)
    short = fit_ssi(soil_moisture=soil, start=START, end=datetime(2000, 1, 1, tzinfo=UTC))
    assert np.isnan(ssi(soil_moisture=soil, parameters=short)).all()
    with pytest.raises(ValueError, match="expected units 'm3 m-3', found 'mm'"):
        ssi(soil_moisture=soil.assign_attrs(units="mm"), parameters=params)


def test_the_root_zone_follows_the_surface_by_its_weights() -> None:
    time = np.array(["2026-07-01", "2026-07-02", "2026-07-04", "2026-07-05", "2026-07-06"], "M8[D]")
    root_zone = soil_water_index(surface=series([0.10, 0.20, 0.30, np.nan, 0.40], time))
    weights = np.exp(-np.array([5, 4, 2, 0]) / 20)
    assert np.isnan(root_zone.values[:4]).all(), "three retrievals weigh less than 3"
    assert float(root_zone[4]) == pytest.approx(weights @ [0.1, 0.2, 0.3, 0.4] / weights.sum())
    assert root_zone.attrs == {"units": "m3 m-3"}


def test_after_a_long_gap_it_begins_anew() -> None:
    time = np.append(days_from("2026-01-01", 30), days_from("2026-12-01", 30))
    root_zone = soil_water_index(surface=series([0.1] * 30 + [0.3] * 30, time))
    assert float(root_zone[29]) == pytest.approx(0.1)
    assert np.isnan(root_zone[30:33]).all()
    assert float(root_zone[33]) == pytest.approx(0.3, abs=1e-6)


@given(st.lists(st.sampled_from([np.nan, 0.05, 0.2, 0.5]), min_size=2, max_size=40))
def test_the_root_zone_lies_within_what_the_surface_was(values: list[float]) -> None:
    root_zone = soil_water_index(
        surface=series(values, days_from("2026-07-01", len(values)))
    ).values
    known = np.isfinite(values)
    assert not np.isfinite(root_zone[~known]).any()
    if np.isfinite(root_zone).any():
        assert np.nanmin(values) - 1e-9 <= np.nanmin(root_zone)
        assert np.nanmax(root_zone) <= np.nanmax(values) + 1e-9
