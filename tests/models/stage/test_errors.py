"""Distributions of forecast errors: quantiles and tails."""

from __future__ import annotations

import numpy as np
import pytest

from models.stage.errors import (
    PROBABILITIES,
    ErrorDistribution,
    climatology_errors,
    fit_errors,
    new_year_factor,
    weighted_quantiles,
    widening_factor,
)


def normal_table(n: int = 4000, leads: int = 2, seed: int = 1) -> ErrorDistribution:
    z = np.random.default_rng(seed).standard_normal((n, leads))
    return fit_errors(z, np.ones(n))


def test_normal_errors_give_normal_quantiles() -> None:
    table = normal_table()
    found = table.ppf(np.array([0.1, 0.5, 0.9]))[0]
    assert found == pytest.approx([-1.2816, 0.0, 1.2816], abs=0.07)
    assert table.cdf(np.zeros((1, 2)))[0, 0] == pytest.approx(0.5, abs=0.03)


def test_weights_count_like_copies() -> None:
    values, weights = np.array([1.0, 2.0, 5.0]), np.array([1.0, 2.0, 1.0])
    # Middles of the weights lie at 1/8, 4/8 and 7/8 of the total.
    found = weighted_quantiles(values, weights, np.array([0.125, 0.5, 0.6875, 0.875]))
    assert found.tolist() == [1.0, 2.0, 3.5, 5.0]


def test_cdf_is_the_inverse_of_the_quantile_tails_included() -> None:
    table = normal_table()
    p = np.array([1e-5, 0.003, 0.01, 0.2, 0.5, 0.77, 0.99, 0.998, 0.99999])
    assert table.cdf(table.ppf(p).T)[:, 1] == pytest.approx(p, rel=1e-6)
    assert (np.diff(table.ppf(p)[1]) > 0).all()


def test_the_mean_of_a_skewed_error_is_no_median() -> None:
    z = np.random.default_rng(5).exponential(1.0, (20_000, 1))
    table = fit_errors(z, np.ones(len(z)))
    assert table.mean()[0] == pytest.approx(1.0, abs=0.03)
    assert table.ppf(np.array([0.5]))[0][0] == pytest.approx(np.log(2.0), abs=0.03)
    p = (np.arange(200_000) + 0.5) / 200_000
    assert table.mean()[0] == pytest.approx(table.ppf(p)[0].mean(), abs=0.005)


def test_the_tail_never_reaches_certainty() -> None:
    table = normal_table()
    far = 1.0 - table.cdf(np.array([[4.0], [8.0], [50.0]]) * np.ones(2))[:, 0]
    assert (far > 0).all()
    assert (np.diff(far) < 0).all()


def test_climatology_table_gives_back_its_row() -> None:
    row = np.linspace(2.0, 8.0, len(PROBABILITIES))
    table = climatology_errors(row[None])
    assert table.ppf(PROBABILITIES)[0] == pytest.approx(row, abs=1e-6)
    assert 0.0 < 1.0 - table.cdf(np.array([[9.5]]))[0, 0] < 0.01


def test_too_few_errors_raise() -> None:
    with pytest.raises(ValueError, match="at least 30"):
        fit_errors(np.zeros((29, 2)), np.ones(29))


def test_few_years_make_a_wider_year_to_come() -> None:
    def years(n: int) -> float:
        return new_year_factor(np.ones(200 * n), np.repeat(np.arange(n), 200))

    assert years(4) > years(8) > years(20) > years(100) > 1.0
    assert years(100) == pytest.approx(1.0, abs=0.02)
    # Student's t with 4 degrees of freedom at 0.9 is 1.533, the normal's 1.2816.
    assert years(5) == pytest.approx(1.5332 * np.sqrt(1.2) / 1.2816, abs=1e-3)


def test_years_that_weigh_nothing_do_not_count() -> None:
    year = np.repeat(np.arange(20), 50)
    recent = np.where(year >= 15, 1.0, 0.0)
    assert new_year_factor(recent, year) == pytest.approx(new_year_factor(np.ones(250), year[750:]))


def test_a_tail_without_errors_keeps_a_share_of_the_spacing_inside() -> None:
    """3 % of the errors at 1 m and none beyond: the third quantile from the end lies 1 m lower."""
    z = np.zeros((1000, 1))
    z[:30], z[-30:] = -1.0, 1.0
    assert fit_errors(z, np.ones(1000)).tail_scales[0] == pytest.approx([0.3, 0.3], abs=1e-6)
    z[0], z[-1] = -11.0, 21.0
    # The mean excess, 10 m and 20 m beyond the table, less its tenth for the tail's shape.
    assert fit_errors(z, np.ones(1000)).tail_scales[0] == pytest.approx([9.0, 18.0], abs=1e-6)


def test_intervals_widen_by_what_years_ahead_were_worse_within_bounds() -> None:
    z = np.random.default_rng(2).standard_normal((2000, 3))
    ahead = z * [0.5, 1.3, 5.0]
    ahead[365:] = np.nan
    expected = np.quantile(np.abs(ahead[:365]), 0.8, axis=0) / np.quantile(np.abs(z), 0.8, axis=0)
    assert 1.2 < expected[1] < 1.4
    assert widening_factor(z, ahead).tolist() == pytest.approx([1.0, expected[1], 1.6])
    ahead[364] = np.nan
    assert widening_factor(z, ahead).tolist() == [1.0, 1.0, 1.0], "a year of errors is needed"


def test_draws_follow_the_distribution_and_join_the_leads() -> None:
    table = normal_table()
    joined = ErrorDistribution(
        table.quantiles, table.tail_scales, np.array([[1.0, 0.8], [0.8, 1.0]])
    )
    draws = joined.rvs(20_000, random_state=4)
    assert draws.shape == (20_000, 2)
    q = np.array([0.05, 0.5, 0.95])
    assert pytest.approx(joined.ppf(q), abs=0.05) == np.quantile(draws, q, axis=0).T
    assert np.asarray(np.corrcoef(draws.T))[0, 1] == pytest.approx(0.8, abs=0.02)
    assert np.array_equal(draws, joined.rvs(20_000, random_state=4))


def test_tails_count_in_the_mean() -> None:
    flat = np.zeros((1, len(PROBABILITIES)))
    errors = ErrorDistribution(flat, np.array([[1e-9, 9.0]]), np.eye(1))
    # One error in a hundred lies above, 10 on average: the scale over 1 less the tail's shape.
    assert errors.mean() == pytest.approx([0.1], abs=1e-6)


def test_tails_of_climatology_are_as_wide_as_its_ends() -> None:
    row = np.linspace(2.0, 8.0, len(PROBABILITIES))
    row[-3:] = [8.0, 8.3, 8.7]
    row[:3] = [1.6, 1.8, 2.0]
    assert climatology_errors(row[None]).tail_scales == pytest.approx(np.array([[0.7, 0.7]]))
    row[:3] = [0.5, 1.8, 2.0]
    assert climatology_errors(row[None]).tail_scales == pytest.approx(np.array([[1.5, 1.5]]))
    flat = np.full((2, len(PROBABILITIES)), 3.0)
    assert climatology_errors(flat).tail_scales == pytest.approx(np.full((2, 2), 0.05))


def test_the_table_reaches_from_the_first_to_the_last_percent() -> None:
    assert PROBABILITIES[[0, 1, 2, 3, 12, -2, -1]] == pytest.approx(
        [0.01, 0.025, 0.05, 0.075, 0.5, 0.975, 0.99]
    )
    assert PROBABILITIES + PROBABILITIES[::-1] == pytest.approx(np.ones(len(PROBABILITIES)))
