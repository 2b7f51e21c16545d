"""Ranks counted in two ways, and CDF matching of one product to another."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.indices import quantiles
from pipeline.indices.quantiles import cdf_match
from pipeline.indices.soil import soil_water_index
from tests.indices.made_series import days_from, refuse, series

SEASON: Any = {"half_window_days": 45, "min_dates": 3}


@settings(max_examples=40)
@given(
    arrays(np.float32, (300, 3), elements=st.sampled_from([0.0, 0.1, 0.5, 0.9, np.nan])),
    arrays(np.float32, (7, 3), elements=st.floats(0, 1, width=32)),
)
def test_both_ways_to_the_rank_are_the_same(pool: np.ndarray, values: np.ndarray) -> None:
    np.testing.assert_array_equal(
        quantiles._rank_by_counting(pool, values), quantiles._rank_by_sorting(pool, values)
    )
    smaller, same = (pool[:, 0] < values[0, 0]).sum(), (pool[:, 0] == values[0, 0]).sum()
    assert quantiles._rank(pool, values)[0, 0] == smaller + (same + 1) / 2


def test_a_value_takes_the_value_of_the_same_rank() -> None:
    time = days_from("2025-07-01", 5)
    ours = series([0.4, 0.1, 0.2, 0.3, 0.9], time)
    theirs = series([330.0, 300.0, 320.0, 310.0, np.nan], time, "K")
    values = series([0.1, 0.25, 0.4, np.nan], days_from("2026-07-10", 4))
    matched = cdf_match(values=values, source=ours, target=theirs, **SEASON)
    np.testing.assert_allclose(matched.values, [300.0, 315.0, 330.0, np.nan])
    assert matched.attrs["units"] == "K"
    beyond = series([0.0, 0.5], days_from("2026-07-10", 2))
    matched = cdf_match(values=beyond, source=ours, target=theirs, **SEASON)
    np.testing.assert_allclose(matched.values, [290.0, 340.0])  # 10 K for each 0.1


def test_ties_share_the_mean_of_their_ranks_and_a_constant_has_one_answer() -> None:
    time = days_from("2025-07-01", 4)
    ours, theirs = series([0.1, 0.2, 0.2, 0.3], time), series([1.0, 2.0, 4.0, 8.0], time)
    matched = cdf_match(values=ours, source=ours, target=theirs, **SEASON)
    np.testing.assert_allclose(matched.values, [1.0, 3.0, 3.0, 8.0])
    flat = series([0.2] * 4, time)
    matched = cdf_match(values=series([0.1, 0.2], time[:2]), source=flat, target=theirs, **SEASON)
    np.testing.assert_allclose(matched.values, [3.75, 3.75])


def test_only_the_season_counts_over_the_end_of_the_year() -> None:
    time = np.concatenate([days_from("2024-12-20", 3), days_from("2025-06-20", 3)])
    ours = series([0.1, 0.2, 0.3, 0.1, 0.2, 0.3], time)
    theirs = series([1.0, 2.0, 3.0, 7.0, 8.0, 9.0], time)
    values = series([0.2, 0.2, 0.2], np.array(["2026-01-10", "2026-06-01", "2026-09-20"], "M8[D]"))
    matched = cdf_match(values=values, source=ours, target=theirs, **SEASON)
    np.testing.assert_allclose(matched.values, [2.0, 8.0, np.nan])


def test_too_few_common_dates_give_nothing() -> None:
    time = days_from("2025-07-01", 4)
    ours = series([[0.1, 0.1], [0.2, 0.2], [np.nan, 0.3], [0.3, 0.4]], time)
    theirs = series([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [np.nan, 4.0]], time)
    matched = cdf_match(values=ours, source=ours, target=theirs, **SEASON).values
    np.testing.assert_allclose(matched, [[np.nan, 1], [np.nan, 2], [np.nan, 3], [np.nan, 4]])
    with pytest.raises(ValueError, match="same times of both, found 4 and 3"):
        cdf_match(values=ours, source=ours, target=theirs[:3], **SEASON)


SAMPLE = st.lists(st.integers(-50, 50), min_size=5, max_size=20, unique=True)


@given(SAMPLE, st.lists(st.integers(0, 90), min_size=20, max_size=20), st.integers(0, 99))
def test_mapping_keeps_the_order_and_gives_the_distribution_back(
    sample: list[int], target: list[int], seed: int
) -> None:
    ours = series(sample, days_from("2025-07-01", len(sample)))
    theirs = ours.copy(data=np.array(target[: len(sample)], float))
    matched = cdf_match(values=ours, source=ours, target=theirs, **SEASON).values
    np.testing.assert_allclose(np.sort(matched), np.sort(theirs.values))
    more = np.sort(np.random.default_rng(seed).uniform(-80, 80, 30))
    mapped = cdf_match(
        values=series(more, days_from("2025-07-01", 30)), source=ours, target=theirs, **SEASON
    )
    assert (np.diff(mapped.values) >= -1e-9).all()


def test_lazy_and_the_same_in_chunks() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (series(rng.random((60, 4)), days_from("2025-07-01", 60)) for _ in range(2))
    surface = ours.where(ours > 0.2)
    whole = (cdf_match(values=ours, source=ours, target=theirs, **SEASON),
             soil_water_index(surface=surface))  # fmt: skip
    cut = {"time": 7, "zone": 3}
    with dask.config.set(scheduler=refuse):
        lazy = (cdf_match(values=ours.chunk(cut), source=ours.chunk(cut), target=theirs.chunk(cut),
                        **SEASON), soil_water_index(surface=surface.chunk(cut)))  # fmt: skip
    for expected, result in zip(whole, lazy, strict=True):
        xr.testing.assert_allclose(expected, result.compute())
