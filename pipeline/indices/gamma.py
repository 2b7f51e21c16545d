"""From a gamma variate to the standard normal: exact, or faster where that is safe."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import gammainc, gammaincc, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAST_SHAPE = 4.0
"""Least shape for which the fast way is taken; its error is then below 1e-6."""
_REACH = 3.4
"""Largest Wilson-Hilferty score that the fast way resolves; beyond it the result is at least ±3."""
_TERMS = 12


def exact(x: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the standard normal z of the same probability as a gamma variate of unit scale.

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


@lru_cache
def _correction() -> NDArray[np.float64]:
    """Coefficients of z as a polynomial of the Wilson-Hilferty score and of shape^(-1/2).

    Chebyshev interpolation of :func:`exact` in both; rows for the terms in shape^(-1/2)
    (Chebyshev), columns for the powers of the score over ``_REACH``.
    """
    nodes = np.cos(np.pi * (np.arange(_TERMS) + 0.5) / _TERMS)
    shape = (np.maximum((nodes + 1) / 2, 1e-4) ** -2 * FAST_SHAPE)[:, None]
    x = shape * (1 - 1 / (9 * shape) + _REACH * nodes / (3 * np.sqrt(shape))) ** 3
    basis = chebyshev.chebvander(nodes, _TERMS - 1)
    in_both = np.linalg.solve(basis, np.linalg.solve(basis, exact(x, shape).T).T)
    powers = np.zeros((_TERMS, _TERMS))
    for degree in range(_TERMS):
        found = chebyshev.cheb2poly(np.eye(_TERMS)[degree])
        powers[degree, : len(found)] = found
    coefficients: NDArray[np.float64] = in_both @ powers
    return coefficients


def fast(x: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Do as :func:`exact`, for shapes of ``FAST_SHAPE`` and more and results within ±3.3.

    The cube root of a gamma variate is nearly normal (Wilson & Hilferty 1931); a polynomial fitted
    to the exact function removes what remains, to 1e-6. Results beyond ±3.3 stop near there.

    Parameters
    ----------
    x
        Shape (time, cell).
    shape
        Shape (cell,).

    Examples
    --------
    >>> x, shape = np.array([[2.0, 30.0]]), np.array([5.0, 25.0])
    >>> bool(np.abs(fast(x, shape) - exact(x, shape)).max() < 1e-6)
    True
    """
    basis = chebyshev.chebvander(2 * np.sqrt(FAST_SHAPE / shape) - 1, _TERMS - 1)
    coefficients = np.ascontiguousarray((basis @ _correction()).T)
    with np.errstate(divide="ignore"):
        u = np.log(x)
    u -= np.log(shape)
    u /= 3.0
    np.exp(u, out=u)
    u -= 1 - 1 / (9 * shape)
    u *= 3 * np.sqrt(shape) / _REACH
    np.clip(u, -1.0, 1.0, out=u)
    z: NDArray[np.float64] = coefficients[-1] * u
    for row in coefficients[-2:0:-1]:
        z += row
        z *= u
    z += coefficients[0]
    return z
