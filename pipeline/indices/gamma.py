"""Transform a gamma variate to the standard normal: exactly, or by a safe polynomial."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, ndtr, ndtri

LEAST_SHAPE = 0.2
"""Least shape for the polynomial, whose error is then below 2e-6."""
BELL_SHAPE = 4.0
"""Shape from which the cube root is nearly normal, so that few terms suffice."""
_REACH = 3.15
"""Largest score that the polynomial resolves below ``BELL_SHAPE``; above it, 3.4 Wilson-Hilferty
scores. Scores beyond are those of the edge, past ±3."""
_WILSON_REACH = 3.4
_BELL_TERMS = 12, 12
_SKEW_TERMS = 18, 14
"""Terms in the root of the variate and in the shape."""
_FEW_ROWS = 8
"""Rows below which cells of either kind are gathered and evaluated separately: the merged table
of coefficients costs more than gathering (40,260 cells, one row: 21 ms against 5)."""


def to_normal_exactly(x: NDArray[np.floating], shape: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the standard normal z of the same probability as a gamma variate of unit scale.

    z = Φ⁻¹(P(shape, x)), from the nearer tail, so that no digits are lost in the upper one.

    Parameters
    ----------
    x
        Gamma variate over its scale, not negative; NaN gives NaN.
    shape
        Shape; broadcasts with ``x``.
    """
    x, shape = np.broadcast_arrays(x, shape)
    upper = x > shape
    z = np.empty(x.shape)
    z[upper] = -ndtri(gammaincc(shape[upper], x[upper]))
    z[~upper] = ndtri(gammainc(shape[~upper], x[~upper]))
    return z


def to_normal(x: NDArray[np.floating], shape: NDArray[np.float64]) -> NDArray[np.floating]:
    """Approximate :func:`to_normal_exactly` within ±3.1, faster, in the precision of ``x``.

    A power of a gamma variate is nearly normal: for shapes of 4 and more the cube root (Wilson &
    Hilferty 1931), below that the power a / (3a + 3) of shape a, which goes to the logarithm as
    the shape goes to 0. A polynomial fitted to the exact function removes what remains.

    Parameters
    ----------
    x
        Gamma variate over its mean, not negative, shape (time, cell).
    shape
        Shape (cell,), ``LEAST_SHAPE`` and more.

    Examples
    --------
    >>> mean, shape = np.array([[0.4, 1.2]]), np.array([0.7, 25.0])
    >>> bool(np.abs(to_normal(mean, shape) - to_normal_exactly(mean * shape, shape)).max() < 2e-6)
    True
    """
    bell = shape >= BELL_SHAPE
    if bell.all():
        return _evaluate(x, *_bell_polynomials(shape))
    if not bell.any():
        return _evaluate(x, *_skew_polynomials(shape))
    if len(x) < _FEW_ROWS:
        z = np.empty(x.shape, x.dtype)
        for kind in (np.flatnonzero(bell), np.flatnonzero(~bell)):
            z[:, kind] = to_normal(x.take(kind, axis=1), shape[kind])
        return z
    merged = tuple(np.empty((rows, len(shape))) for rows in (1, 1, 1, _SKEW_TERMS[0]))
    for cells, polynomials in ((bell, _bell_polynomials), (~bell, _skew_polynomials)):
        for whole, part in zip(merged, polynomials(shape[cells]), strict=True):
            whole[len(part) :, cells] = 0.0
            whole[: len(part), cells] = part
    power, centre, half, coefficients = merged
    return _evaluate(x, power[0], centre[0], half[0], coefficients)


Polynomials = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]
"""Power of the variate, centre and half range of the root (each (cell,)), coefficients by power of
the scaled root (term, cell)."""


def _evaluate(
    x: NDArray[np.floating],
    power: NDArray[np.float64],
    centre: NDArray[np.float64],
    half: NDArray[np.float64],
    coefficients: NDArray[np.float64],
) -> NDArray[np.floating]:
    """Evaluate the polynomials of the cells in the precision of ``x`` (time, cell)."""
    kind = x.dtype
    coefficients = coefficients.astype(kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.log(x)
    t *= power.astype(kind)
    np.exp(t, out=t)
    t -= centre.astype(kind)
    t *= (1 / half).astype(kind)
    np.clip(t, -1, 1, out=t)
    z: NDArray[np.floating] = coefficients[-1] * t
    for row in coefficients[-2:0:-1]:
        z += row
        z *= t
    z += coefficients[0]
    return z


def _bell_polynomials(shape: NDArray[np.float64]) -> Polynomials:
    """Return the polynomials for shapes of ``BELL_SHAPE`` and more."""
    centre, half = _wilson_hilferty(shape)
    coefficients = _polynomial(_bell_abscissa(shape), _bell())
    return np.full(len(shape), 1 / 3), centre, half, coefficients


def _skew_polynomials(shape: NDArray[np.float64]) -> Polynomials:
    """Return the polynomials for smaller shapes."""
    table, centres, halves = _skew()
    abscissa = _skew_abscissa(shape)
    centre, half = (
        np.asarray(chebyshev.chebval(abscissa, series), np.float64) for series in (centres, halves)
    )
    return _skew_power(shape), centre, half, _polynomial(abscissa, table)


def _wilson_hilferty(shape: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centre and half range of the cube root of a variate over its mean."""
    return 1 - 1 / (9 * shape), _WILSON_REACH / (3 * np.sqrt(shape))


def _bell_abscissa(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(2 * np.sqrt(BELL_SHAPE / shape) - 1)


def _skew_abscissa(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(2 * np.log(shape / LEAST_SHAPE) / np.log(BELL_SHAPE / LEAST_SHAPE) - 1)


def _skew_power(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    return shape / (3 * shape + 3)


def _polynomial(abscissa: NDArray[np.float64], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients (power, cell) of the polynomials for some shapes."""
    # Cells last: each row of coefficients is then contiguous in the evaluation.
    return np.asarray(table.T @ np.moveaxis(chebyshev.chebvander(abscissa, len(table) - 1), -1, 0))


def _nodes(terms: int) -> NDArray[np.float64]:
    return np.cos(np.pi * (np.arange(terms) + 0.5) / terms)


def _interpolate(z: NDArray[np.float64], nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the table (Chebyshev term in the shape, power of t) of scores z (node, node)."""
    terms = z.shape[1]
    in_shape = np.linalg.solve(chebyshev.chebvander(nodes, len(nodes) - 1), z)
    series = np.linalg.solve(chebyshev.chebvander(_nodes(terms), terms - 1), in_shape.T).T
    powers = np.zeros((terms, terms))
    for degree in range(terms):
        polynomial = chebyshev.cheb2poly(np.eye(terms)[degree])
        powers[degree, : len(polynomial)] = polynomial
    return np.asarray(series @ powers)


@lru_cache
def _bell() -> NDArray[np.float64]:
    """Return the table for shapes of ``BELL_SHAPE`` and more."""
    nodes = _nodes(_BELL_TERMS[1])
    shape = (np.maximum((nodes + 1) / 2, 1e-4) ** -2 * BELL_SHAPE)[:, None]
    centre, half = _wilson_hilferty(shape)
    return _interpolate(
        to_normal_exactly(shape * (centre + half * _nodes(_BELL_TERMS[0])) ** 3, shape), nodes
    )


@lru_cache
def _skew() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the table for smaller shapes, and Chebyshev series of centre and half range."""
    nodes = _nodes(_SKEW_TERMS[1])
    shape = LEAST_SHAPE * (BELL_SHAPE / LEAST_SHAPE) ** ((nodes + 1) / 2)
    tail, power = ndtr(-_REACH), _skew_power(shape)
    edges = [(inverse(shape, tail) / shape) ** power for inverse in (gammaincinv, gammainccinv)]
    centre, half = (edges[1] + edges[0]) / 2, (edges[1] - edges[0]) / 2
    basis = chebyshev.chebvander(nodes, len(nodes) - 1)
    series = np.linalg.solve(basis, np.stack([centre, half]).T).T
    shape, power = shape[:, None], power[:, None]
    root = centre[:, None] + half[:, None] * _nodes(_SKEW_TERMS[0])
    return (
        _interpolate(to_normal_exactly(shape * root ** (1 / power), shape), nodes),
        series[0],
        series[1],
    )
