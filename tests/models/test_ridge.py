from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from models import ridge
from models.ridge import PENALTIES, NormalEquations


def rows(n_years: int = 8, noise: float = 0.5) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(7)
    n = n_years * 200
    matrix = np.column_stack([rng.standard_normal((n, 4)) + 0.3, np.ones(n)])
    target = matrix[:, :4] @ np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 0.0], [0.0, -1.0]]) + 3.0
    target += noise * rng.standard_normal(target.shape)
    year = np.repeat(np.arange(n_years), 200)
    return matrix, target, rng.uniform(0.2, 1.0, n), year, np.zeros(n, dtype=bool)


def test_coefficients_are_those_of_scikit_learn() -> None:
    matrix, target, weights, year, purged = rows()
    found, _, _ = NormalEquations(matrix, target, weights, year, purged).ridge(np.array([0, 1, 3]))
    for lead in range(2):
        apart = []
        for penalty in PENALTIES:
            other = Ridge(alpha=penalty).fit(matrix[:, [0, 1, 3]], target[:, lead], weights)
            apart.append(np.abs(np.append(other.coef_, other.intercept_) - found[:, lead]).max())
        assert min(apart) < 1e-8


@pytest.fixture
def one_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, odd rows would change which penalty is chosen, and so every forecast."""
    monkeypatch.setattr(ridge, "PENALTIES", (1.0,))


@pytest.mark.usefixtures("one_penalty")
def test_held_out_years_are_not_seen() -> None:
    matrix, target, weights, year, purged = rows()
    # In one year everything is turned round: a fit that had seen it would follow.
    turned = target.copy()
    turned[year == 5] *= -1.0
    use = np.arange(4)
    _, before, ahead_before = NormalEquations(matrix, target, weights, year, purged).ridge(use)
    _, after, ahead_after = NormalEquations(matrix, turned, weights, year, purged).ridge(use)
    assert after[year == 5] == pytest.approx(before[year == 5], abs=1e-9)
    assert np.isnan(ahead_before[year < 4]).all()
    # Forecasts of earlier years know nothing of year 5, those of later ones do.
    for earlier in (4, 5):
        rows_of = year == earlier
        assert ahead_after[rows_of] == pytest.approx(ahead_before[rows_of], abs=1e-9)
    assert np.abs(ahead_after[year == 7] - ahead_before[year == 7]).max() > 0.3


@pytest.mark.usefixtures("one_penalty")
def test_purged_rows_teach_no_other_year() -> None:
    matrix, target, weights, year, purged = rows()
    purged[np.arange(len(purged)) % 200 < 20] = True
    broken = target.copy()
    broken[purged] += 50.0
    use = np.arange(4)
    _, clean, _ = NormalEquations(matrix, target, weights, year, purged).ridge(use)
    _, held_out, _ = NormalEquations(matrix, broken, weights, year, purged).ridge(use)
    assert held_out == pytest.approx(clean, abs=1e-9)


def test_the_penalty_is_chosen_by_what_is_judged() -> None:
    matrix, target, weights, year, purged = rows(noise=0.0)
    # In odd years nothing that the columns say is true: judged by those, a large penalty is best.
    rng = np.random.default_rng(8)
    odd = year % 2 == 1
    target[odd] = 3.0 + rng.standard_normal((odd.sum(), 2))
    sizes = []
    for judged in (~odd, odd):
        normal = NormalEquations(
            matrix, target, weights, year, purged, judged=judged.astype("float64")
        )
        sizes.append(float(np.abs(normal.ridge(np.arange(4))[0][:-1]).sum()))
    assert sizes[1] < 0.7 * sizes[0]


def test_two_years_are_enough() -> None:
    found, held_out, _ = NormalEquations(*rows(n_years=2)).ridge(np.arange(4))
    assert np.isfinite(found).all()
    assert np.isfinite(held_out).all()
