"""Standardised precipitation index: gamma distribution of rain totals by season."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pipeline.indices import gamma
from pipeline.indices.common import require_units
from pipeline.indices.standardized import LIMIT, fit_standard, standardise

MIN_YEARS = 20
"""Fewer years give no index (WMO-No. 1090 asks for 20 to 30 and more)."""
MANY_ZEROS, TOO_MANY_ZEROS = 0.3, 0.5
"""Shares of totals without rain above which the SPI is flagged, and withheld."""
QUALITY = ("good", "many_zeros", "withheld_zeros", "withheld_too_short")
"""Meaning of ``quality`` 0-3 in the parameters."""
_UNITS = {
    "shape": "1", "scale": "mm", "p_zero": "1", "h_zero": "1", "zero_share": "1", "quality": "1",
}  # fmt: skip


def fit_spi(
    *, total: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 5
) -> xr.Dataset:
    """Fit gamma distributions of rain totals by month, or by day of the year for running totals.

    With n totals, n0 of them zero, x̄ the mean of the others and A = ln x̄ − mean(ln x):
    α = [1 + √(1 + 4A/3)] / 4A, β = x̄ / α (Thom 1958); p0 = n0 / (n+1), and a zero has the
    probability (n0+1) / [2(n+1)], or 0 where n0 = 0: a first dry total is the driest yet.

    Parameters
    ----------
    total
        mm over n months or days, from :func:`pipeline.indices.rain.accumulation`, monthly or
        daily, not negative, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For running totals: days on either side that are included.

    Returns
    -------
    Dataset
        By ``month`` or ``dayofyear``, in the precision of the totals: ``shape`` α and ``scale`` β
        (mm), ``p_zero``, ``h_zero``, ``zero_share`` n0 / n, ``n_years``, and ``quality`` (0 good,
        1 more than 30 % zeros, 2 withheld for more than 50 %, 3 withheld for fewer than 20 years
        or a constant total). Attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Units other than mm, a time axis with gaps, a reference period below 20 years; a negative
        total (when computed).

    References
    ----------
    McKee, T. B. et al. (1993). 8th Conf. Applied Climatology, 179-184. WMO-No. 1090 (2012).
    Thom, H. C. S. (1958). Mon. Weather Rev. 86, 117-122. Stagge, J. H. et al. (2015), doi
    10.1002/joc.4267 (zeros).
    """
    require_units(total, "mm")
    params = fit_standard(
        values=total,
        start=start,
        end=end,
        half_window_days=half_window_days,
        min_years=MIN_YEARS,
        statistics=_statistics,
        estimate=_estimate_params,
        units=_UNITS,
        index="SPI",
    )
    params["quality"].attrs.update(
        flag_values=[0.0, 1.0, 2.0, 3.0], flag_meanings=" ".join(QUALITY)
    )
    return params


def _statistics(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the number known, the number above zero, their sum and that of their logarithms."""
    lowest = x.min(axis=0)
    if (lowest > 0).all():
        count = np.full(x.shape[1], float(len(x)))
        logs = np.log(x).sum(axis=0, dtype=np.float64)
        return np.stack([count, count, x.sum(axis=0, dtype=np.float64), logs])
    _require_not_negative(x)
    wet = x > 0
    amount = np.where(wet, x, x.dtype.type(1))
    dry = (~wet).sum(axis=0)
    return np.stack(
        [
            np.isfinite(x).sum(axis=0),
            len(x) - dry,
            amount.sum(axis=0, dtype=np.float64) - dry,
            np.log(amount).sum(axis=0, dtype=np.float64),
        ]
    )


def _estimate_params(sums: NDArray[np.floating], enough: NDArray[np.bool_]) -> NDArray[np.floating]:
    count, wet, amount, logs = sums
    a = np.log(amount / wet) - logs / wet
    shape = (1 + np.sqrt(1 + 4 * a / 3)) / (4 * a)
    zero_share = (count - wet) / count
    usable = enough & (a > 1e-9)
    quality = np.select(
        [zero_share > TOO_MANY_ZEROS, ~usable, zero_share > MANY_ZEROS], [2.0, 3.0, 1.0], 0.0
    )
    shape = np.where(usable, shape, np.nan)
    h_zero = np.where(count > wet, (count - wet + 1) / (2 * (count + 1)), 0.0)
    p_zero = (count - wet) / (count + 1)
    return np.stack([shape, amount / wet / shape, p_zero, h_zero, zero_share, quality])


def spi(*, total: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Standardised precipitation index.

    z = Φ⁻¹(H), H = p0 + (1 − p0) G(x; α, β) for x > 0, H = (n0+1) / [2(n+1)] for x = 0
    (0 where n0 = 0); z within ±3.

    Parameters
    ----------
    total
        mm over the same window as the fit, dims with ``time``.
    parameters
        From :func:`fit_spi`.

    Returns
    -------
    DataArray
        NaN where the total is missing or the parameters are withheld (``quality`` 2 and 3). In
        single precision the index is within 1e-4 of that in double.

    Raises
    ------
    ValueError
        Units other than mm, another window; a negative total (when computed).

    Examples
    --------
    >>> import xarray as xr
    >>> params = xr.Dataset({"shape": 4.0, "scale": 25.0, "p_zero": 0.0,
    ...                      "h_zero": 0.02, "quality": 0.0})
    >>> time = np.array(["2001-01-01", "2001-01-02"], "datetime64[ns]")
    >>> total = xr.DataArray([91.81, 0.0], {"time": time}, attrs={"units": "mm"})
    >>> spi(total=total, parameters=params.expand_dims(month=12)).values.round(2)  # median, zero
    array([ 0.  , -2.05])
    """
    require_units(total, "mm")
    names = ("shape", "scale", "p_zero", "h_zero", "quality")
    index = standardise(values=total, parameters=parameters, names=names, score=_score)
    return index.assign_attrs(long_name="Standardised precipitation index")


def _score(x: NDArray[np.floating], *params: NDArray[np.float64]) -> NDArray[np.floating]:
    """Return the index of the totals x (time, cell) of one slot."""
    shape, scale, p_zero, h_zero, quality = params
    usable = quality < 2
    shape = np.where(usable, shape, 1.0)
    over_mean = x * np.where(usable, 1 / (scale * shape), np.nan).astype(x.dtype)
    z = gamma.to_normal(over_mean, np.maximum(shape, gamma.LEAST_SHAPE))
    skew = usable & (shape < gamma.LEAST_SHAPE)
    if skew.any():
        z[:, skew] = gamma.to_normal_exactly(x[:, skew] / scale[skew], shape[skew])
    mixed = usable & (p_zero > 0)
    if mixed.any():
        p = p_zero[mixed].astype(x.dtype)
        z[:, mixed] = ndtri(p + (1 - p) * ndtr(z[:, mixed]))
    if x.size and not x.min() > 0:
        _require_not_negative(x)
        zero = x == 0
        dry = np.flatnonzero(zero.any(axis=0))
        at_zero = np.where(usable[dry], np.maximum(ndtri(h_zero[dry]), -LIMIT), np.nan)
        z[:, dry] = np.where(zero[:, dry], at_zero.astype(x.dtype), z[:, dry])
    return z


def _require_not_negative(x: NDArray[np.floating]) -> None:
    if (x < 0).any():
        raise ValueError(f"rain total: expected 0 or more, found {np.nanmin(x)}")
