"""L-moments, and the extreme-value distributions fitted from them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

Floats = NDArray[np.float64]

Distribution = Literal["gumbel", "gev"]
EULER = 0.5772156649015329


def l_moments(
    maxima: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the first two L-moments and L-skewness along the first axis, unbiased, without NaN.

    λ1 = b0, λ2 = 2 b1 − b0, λ3 = 6 b2 − 6 b1 + b0, t3 = λ3 / λ2, b_r of :func:`weighted_moments`.

    Parameters
    ----------
    maxima
        Shape (year, ...).

    Returns
    -------
    l1, l2, t3, n
        Each of shape (...).

    References
    ----------
    Hosking, J. R. M. & Wallis, J. R. (1997). Regional Frequency Analysis, sections 2.4 and 2.8.

    Examples
    --------
    >>> l1, l2, t3, n = l_moments(np.array([1.0, 2.0, 3.0, 6.0]))
    >>> float(l1), round(float(l2), 6), round(float(t3), 6), int(n)
    (3.0, 1.333333, 0.375, 4)
    """
    b0, b1, b2, n = weighted_moments(maxima)
    l2 = 2 * b1 - b0
    with np.errstate(divide="ignore", invalid="ignore"):
        t3 = (6 * b2 - 6 * b1 + b0) / l2
    return b0, l2, t3, n


def weighted_moments(
    values: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return unbiased probability-weighted moments along the first axis, without NaN.

    b_r = n⁻¹ Σ_j [(j−1)...(j−r)] / [(n−1)...(n−r)] x_j over the sample in ascending order; NaN
    where fewer than r + 1 values are known.

    Parameters
    ----------
    values
        Shape (sample, ...).

    Returns
    -------
    b0, b1, b2, n
        Each of shape (...).

    References
    ----------
    Landwehr, J. M. et al. (1979), doi 10.1029/WR015i005p01055.

    Examples
    --------
    >>> [round(float(b), 6) for b in weighted_moments(np.array([6.0, 1.0, np.nan, 2.0]))]
    [3.0, 2.333333, 2.0, 3.0]
    """
    ordered = np.sort(values, axis=0)  # NaN last
    n = np.isfinite(ordered).sum(axis=0)
    j = np.arange(len(ordered), dtype=np.float64)
    shape = ordered.shape[1:]
    if (n == len(ordered)).all() and len(ordered) > 2:
        size = float(len(ordered))
        weights = np.stack(
            [np.ones_like(j), j / (size - 1), j * (j - 1) / ((size - 1) * (size - 2))]
        )
        flat = ordered.reshape(len(ordered), -1).astype(np.float64, copy=False)
        b0, b1, b2 = (weights @ flat / size).reshape(3, *shape)
        return b0, b1, b2, n
    j = j.reshape(-1, *(1,) * len(shape))
    known = np.where(j < n, ordered, 0.0).astype(np.float64, copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        b0 = known.sum(axis=0) / n
        b1 = (j * known).sum(axis=0) / (n * (n - 1))
        b2 = (j * (j - 1) * known).sum(axis=0) / (n * (n - 1) * (n - 2))
    return b0, b1, b2, n


def fit_params(l1: Floats, l2: Floats, t3: Floats, *, distribution: Distribution) -> Floats:
    """Return location ξ, scale α and shape k (3, ...) from L-moments.

    Gumbel: α = λ2 / ln 2, ξ = λ1 − 0.5772 α, k = 0. GEV, by Hosking's approximation of k:
    c = 2 / (3 + t3) − ln 2 / ln 3, k = 7.859 c + 2.9554 c², α = λ2 k / [(1 − 2^−k) Γ(1+k)],
    ξ = λ1 − α [1 − Γ(1+k)] / k.

    References
    ----------
    Hosking & Wallis (1997), appendix A.

    Examples
    --------
    >>> l1, l2, t3 = np.array(50.0), np.array(6.931472), np.array(0.17)
    >>> fit_params(l1, l2, t3, distribution="gumbel").round(3)
    array([44.228, 10.   ,  0.   ])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if distribution == "gumbel":
            scale = l2 / np.log(2)
            return np.stack([l1 - EULER * scale, scale, np.zeros_like(scale)])
        c = 2 / (3 + t3) - np.log(2) / np.log(3)
        k = 7.859 * c + 2.9554 * c**2
        k = np.where(np.abs(k) < 1e-6, 1e-6, k)
        scale = l2 * k / ((1 - 2**-k) * gamma(1 + k))
        return np.stack([l1 - scale * (1 - gamma(1 + k)) / k, scale, k])


def compute_level(years: float, location: Floats, scale: Floats, shape: Floats) -> Floats:
    """Return the level of a return period: x_T = ξ + α y (Gumbel), ξ + α (1 − e^−ky) / k (GEV).

    y = −ln(−ln(1 − 1/T)).

    Examples
    --------
    >>> round(float(compute_level(50.0, np.array(50.0), np.array(10.0), np.array(0.0))), 2)
    89.02
    """
    y = -np.log(-np.log1p(-1 / years))
    k = np.where(shape == 0, 1.0, shape)
    return np.asarray(location + scale * np.where(shape == 0, y, -np.expm1(-k * y) / k))
