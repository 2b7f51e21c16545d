"""The ridge regression against scikit-learn, and what its held-out years see."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from models.stage import ridge
from models.stage.ridge import PENALTIES, NormalEquations


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
    use = [0, 1, 3]
    normal = NormalEquations(matrix, target, weights, year, purged)
    first, sizes = normal.ridge(np.array(use)), normal.sizes(np.array(use))
    again = normal.ridge(np.array(use), sizes)
    for found, root in ((first, np.ones(3)), (again, np.sqrt(sizes["all", 0]))):
        for lead in range(2):
            apart = []
            for penalty in PENALTIES:
                other = Ridge(alpha=penalty).fit(matrix[:, use] * root, target[:, lead], weights)
                expected = np.append(other.coef_ * root, other.intercept_)
                apart.append(np.abs(expected - found.coefficients[:, lead]).max())
            assert min(apart) < 1e-8


def test_sizes_are_of_each_folds_own_years() -> None:
    matrix, target, weights, year, purged = rows(noise=0.0)
    target[year == 5] = matrix[year == 5][:, [2]]
    sizes = NormalEquations(matrix, target, weights, year, purged).sizes(np.arange(4))
    assert set(sizes) == {("all", 0), *(("without", k) for k in range(6)),
                          *(("before", k) for k in range(4, 8))}  # fmt: skip
    unknown = 0.1 / 1.1
    for fold in (("without", 5), ("before", 4), ("before", 5)):
        assert sizes[fold][2] == pytest.approx(unknown, abs=1e-3)
    for fold in (("all", 0), ("without", 4), ("before", 6)):
        assert sizes[fold][2] > 1.1 * unknown


def test_a_second_fit_leaves_out_what_only_seemed_to_matter() -> None:
    rng = np.random.default_rng(3)
    matrix, target, weights, year, purged = rows(n_years=6, noise=2.0)
    matrix = np.column_stack([matrix[:, :4], rng.standard_normal((len(matrix), 150)), matrix[:, 4]])
    normal, use = NormalEquations(matrix, target, weights, year, purged), np.arange(154)
    first = normal.ridge(use)
    again = normal.ridge(use, normal.sizes(use))
    lost = [np.abs(fit.coefficients[4:-1]).sum() for fit in (first, again)]
    assert lost[1] < 0.5 * lost[0]
    errors = [float(((fit.held_out - target) ** 2).mean()) for fit in (first, again)]
    assert errors[1] < 0.98 * errors[0]


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
    before = NormalEquations(matrix, target, weights, year, purged).ridge(use)
    after = NormalEquations(matrix, turned, weights, year, purged).ridge(use)
    assert after.held_out[year == 5] == pytest.approx(before.held_out[year == 5], abs=1e-9)
    assert np.isnan(before.ahead[year < 4]).all()
    # Forecasts of earlier years know nothing of year 5, those of later ones do.
    for earlier in (4, 5):
        rows_of = year == earlier
        assert after.ahead[rows_of] == pytest.approx(before.ahead[rows_of], abs=1e-9)
    assert np.abs(after.ahead[year == 7] - before.ahead[year == 7]).max() > 0.3


@pytest.mark.usefixtures("one_penalty")
def test_purged_rows_teach_no_other_year() -> None:
    matrix, target, weights, year, purged = rows()
    purged[np.arange(len(purged)) % 200 < 20] = True
    broken = target.copy()
    broken[purged] += 50.0
    use = np.arange(4)
    clean = NormalEquations(matrix, target, weights, year, purged).ridge(use)
    found = NormalEquations(matrix, broken, weights, year, purged).ridge(use)
    assert found.held_out == pytest.approx(clean.held_out, abs=1e-9)


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
        sizes.append(float(np.abs(normal.ridge(np.arange(4)).coefficients[:-1]).sum()))
    assert sizes[1] < 0.7 * sizes[0]


def test_two_years_are_enough() -> None:
    found = NormalEquations(*rows(n_years=2)).ridge(np.arange(4))
    assert np.isfinite(found.coefficients).all()
    assert np.isfinite(found.held_out).all()
