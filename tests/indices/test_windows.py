"""Moving sums and calendar months by hand, and the rule for missing steps."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.indices.windows import aggregate_by_month, moving_sum, next_months, whole_months
from tests.indices.made_series import NAN, daily, days, series


def test_a_missing_step_counts_as_the_mean_of_the_known_ones() -> None:
    values = daily([1.0, 2.0, NAN, 4.0, 5.0, NAN, NAN])
    total = moving_sum(values=values, steps=3, min_share=0.6)
    # Two steps of three suffice, also where the record begins.
    np.testing.assert_allclose(total, [NAN, 4.5, 4.5, 9.0, 13.5, 13.5, NAN])
    assert total.attrs == {"window": "3 x 1440 minutes", "min_share": 0.6}
    np.testing.assert_array_equal(moving_sum(values=values, steps=3), np.full(7, NAN))


@pytest.mark.parametrize("step", ["D", "M"])
def test_a_sum_does_not_depend_on_where_the_record_begins(step: str) -> None:
    time = np.arange("2001-01", "2004-01", dtype="M8[M]").astype(f"M8[{step}]")
    time = np.arange(time[0], time[0] + 36)
    rain = series(np.random.default_rng(0).gamma(0.5, 8.0, 36), time, "mm").astype("f4")
    whole = moving_sum(values=rain, steps=7)
    for begin in range(1, 20):
        part = moving_sum(values=rain.isel(time=slice(begin, None)), steps=7)
        np.testing.assert_array_equal(part[6:], whole[begin + 6 :])


def test_windows_and_shares_out_of_range_are_refused() -> None:
    values = daily([1.0, 2.0])
    for steps in (0, 367):
        with pytest.raises(ValueError, match=f"steps: expected 1 to 366, found {steps}"):
            moving_sum(values=values, steps=steps)
    for share in (0.0, 1.1):
        with pytest.raises(ValueError, match=f"expected above 0 and up to 1, found {share}"):
            moving_sum(values=values, steps=2, min_share=share)


def test_a_month_is_whole_and_known_to_nine_tenths() -> None:
    time = days("2024-01-15", "2024-04-10")
    number = (time - time.astype("M8[M]").astype("M8[D]")).astype(int) + 1.0
    rain = series(np.repeat(number[:, None], 3, axis=1), time, "mm")
    rain.loc["2024-02-29", 1] = NAN
    rain.loc["2024-02-27":"2024-02-29", 2] = NAN  # 26 days of 29 are 0.897
    total = aggregate_by_month(rain, min_share=0.9)
    assert total["time"].values.astype("M8[D]").astype(str).tolist() == ["2024-02-01", "2024-03-01"]
    # 1 + ... + 29 = 435; without the 29th the mean is 14.5.
    np.testing.assert_allclose(total, [[435.0, 14.5 * 29, NAN], [496.0] * 3])
    mean = aggregate_by_month(rain, min_share=0.9, mean=True)
    np.testing.assert_allclose(mean, [[15.0, 14.5, NAN], [16.0] * 3])
    assert total.attrs == rain.attrs
    lazy = aggregate_by_month(rain.chunk(time=20), min_share=0.9)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.compute(), total)


def test_the_first_and_the_last_day_complete_their_months() -> None:
    months = whole_months(days("2023-12-01", "2024-02-01"))
    assert months.astype("M8[D]").astype(str).tolist() == ["2023-12-01", "2024-01-01"]
    assert next_months(months).astype("M8[D]").astype(str).tolist() == ["2024-01-01", "2024-02-01"]
    assert whole_months(days("2023-12-02", "2024-01-31")).size == 0
