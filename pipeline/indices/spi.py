"""Standardised precipitation index: gamma law of rain totals by season."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.special import ndtr, ndtri

from pipeline.indices import gamma
from pipeline.indices.reference import (
    SLOTS,
    Season,
    along_time,
    definition,
    require_units,
    season_of,
    seasonal_sum,
    slots,
    within,
)

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

MIN_YEARS = 20
"""Fewer years give no index (WMO-No. 1090 asks for 20 to 30 and more)."""
MANY_ZEROS, TOO_MANY_ZEROS = 0.3, 0.5
"""Shares of totals without rain above which the SPI is flagged, and withheld."""
LIMIT = 3.0
QUALITY = ("good", "many_zeros", "withheld_zeros", "withheld_too_short")
"""Meaning of ``quality`` 0-3 in the parameters."""
_PARAMETERS = ("shape", "scale", "p_zero", "h_zero", "zero_share", "n_years", "quality")
_BLOCK = 2048
"""Columns worked on at a time: the polynomial's passes stay in cache."""


def fit_spi(
    *, total: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 5
) -> xr.Dataset:
    """Gamma law of rain totals by month, or by day of the year for running totals.

    With n totals, n0 of them zero, x̄ the mean of the others and A = ln x̄ − mean(ln x):
    α = [1 + √(1 + 4A/3)] / 4A, β = x̄ / α (Thom 1958); a total above 0 has p0 = n0 / (n+1), a zero
    the probability (n0+1) / [2(n+1)], or 0 where n0 = 0: a first dry total is the driest yet.

    Parameters
    ----------
    total
        mm over n months or days, as of :func:`rain.accumulation`, monthly or daily, not negative,
        dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For running totals: days on either side whose totals count too.

    Returns
    -------
    Dataset
        By ``month`` or ``dayofyear``: ``shape`` α and ``scale`` β (mm), ``p_zero``, ``h_zero``,
        ``zero_share`` n0 / n, ``n_years``, and ``quality`` (0 good, 1 more than 30 % zeros,
        2 withheld for more than 50 %, 3 withheld for fewer than 20 years or a constant total).
        Attributes of :func:`reference.definition`.

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
    season = season_of(total)
    part = within(total, start=start, end=end)
    window = 0 if season == "month" else half_window_days
    how = definition(part, start=start, end=end, index="SPI", law="gamma", half_window=window)
    if how["n_years"] < MIN_YEARS:
        raise ValueError(
            f"reference period: expected {MIN_YEARS} years or more, found {how['n_years']}"
        )
    slot, size = slots(part["time"].values, season), SLOTS[season]

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        _not_negative(x)
        positive = x > 0
        with np.errstate(divide="ignore"):
            log = np.where(positive, np.log(x, dtype=np.float64), 0.0)
        count, wet, amount, logs = (
            seasonal_sum(np.asarray(one, np.float64), slot, size=size, half_window=window)
            for one in (np.isfinite(x), positive, np.where(positive, x, 0.0), log)
        )
        n_years = np.rint(count / (2 * window + 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            a = np.log(amount / wet) - logs / wet
            shape = (1 + np.sqrt(1 + 4 * a / 3)) / (4 * a)
            zero_share = (count - wet) / count
        usable = (n_years >= MIN_YEARS) & (a > 1e-9)
        quality = np.select(
            [zero_share > TOO_MANY_ZEROS, ~usable, zero_share > MANY_ZEROS], [2.0, 3.0, 1.0], 0.0
        )
        shape = np.where(usable, shape, np.nan)
        return np.stack(
            [
                shape,
                amount / np.where(usable, wet, np.nan) / shape,
                (count - wet) / (count + 1),
                np.where(count > wet, (count - wet + 1) / (2 * (count + 1)), 0.0),
                zero_share,
                n_years,
                quality,
            ]
        )

    stacked = along_time(
        kernel, part.astype(np.float64), output={"parameter": len(_PARAMETERS), season: size}
    )
    fields = {
        name: stacked.isel(parameter=number).assign_attrs(units="mm" if name == "scale" else "1")
        for number, name in enumerate(_PARAMETERS)
    }
    fields["quality"].attrs.update(
        flag_values=[0.0, 1.0, 2.0, 3.0], flag_meanings=" ".join(QUALITY)
    )
    return xr.Dataset(fields, {season: np.arange(1, size + 1)}, how)


def spi(*, total: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Standardised precipitation index.

    z = Φ⁻¹(H), H = p0 + (1 − p0) G(x; α, β) for x > 0, H = (n0+1) / [2(n+1)] for x = 0
    (0 where n0 = 0); |z| ≤ 3.

    Parameters
    ----------
    total
        mm over the same window as the fit, dims with ``time``.
    parameters
        From :func:`fit_spi`.

    Returns
    -------
    DataArray
        NaN where the total is missing or the law withheld (``quality`` 2 and 3).

    Raises
    ------
    ValueError
        Units other than mm, another window, another season; a negative total (when computed).

    Examples
    --------
    >>> law = xr.Dataset({"shape": 4.0, "scale": 25.0, "p_zero": 0.0,
    ...                   "h_zero": 0.02, "quality": 0.0})
    >>> time = np.array(["2001-01-01", "2001-01-02"], "datetime64[ns]")
    >>> total = xr.DataArray([91.81, 0.0], {"time": time}, attrs={"units": "mm"})
    >>> spi(total=total, parameters=law.expand_dims(month=12)).values.round(2)  # median, zero
    array([ 0.  , -2.05])
    """
    require_units(total, "mm")
    expected, found = parameters.attrs.get("window", ""), total.attrs.get("window", "")
    if expected and expected != found:
        raise ValueError(f"{total.name}: expected totals over {expected!r}, found {found!r}")
    season: Season = "month" if "month" in parameters.dims else "dayofyear"
    slot = slots(total["time"].values, season)

    def kernel(x: NDArray[np.floating], *law: NDArray[np.floating]) -> NDArray[np.floating]:
        _not_negative(x)
        out = np.empty(np.broadcast_shapes(x.shape, (len(x), *law[0].shape[1:])), x.dtype)
        for number in np.unique(slot):
            rows = np.flatnonzero(slot == number)
            each = np.stack(
                [np.broadcast_to(one[number - 1], out.shape[1:]).ravel() for one in law]
            )
            values = np.broadcast_to(x[rows], (len(rows), *out.shape[1:])).reshape(len(rows), -1)
            out[rows] = _standardised(values, each).reshape(len(rows), *out.shape[1:])
        return out

    names = ("shape", "scale", "p_zero", "h_zero", "quality")
    index = along_time(
        kernel, total, *(parameters[name] for name in names), core=[[season]] * len(names)
    )
    return index.assign_attrs(units="1", long_name="Standardised precipitation index")


def _standardised(x: NDArray[np.floating], law: NDArray[np.floating]) -> NDArray[np.float64]:
    """Index of the totals x (time, cell) of one slot, by its law (parameter, cell)."""
    shape, scale, p_zero, h_zero, quality = law
    out = np.full(x.shape, np.nan)
    usable = quality < 2
    quick = usable & (p_zero == 0) & (shape >= gamma.FAST_SHAPE)
    columns = np.flatnonzero(quick)
    for begin in range(0, columns.size, _BLOCK):
        some = columns[begin : begin + _BLOCK]
        out[:, some] = gamma.fast(x[:, some] / scale[some], shape[some])
    slow = np.flatnonzero(usable & ~quick)
    if slow.size:
        z = gamma.exact(x[:, slow] / scale[slow], shape[slow])
        mixed = p_zero[slow] > 0
        if mixed.any():
            p = p_zero[slow][mixed]
            z[:, mixed] = ndtri(p + (1 - p) * ndtr(z[:, mixed]))
        out[:, slow] = z
    zero = x == 0
    if zero.any():
        at_zero = np.where(usable, ndtri(h_zero), np.nan)
        out = np.where(zero, at_zero, out)
    clipped: NDArray[np.float64] = np.clip(out, -LIMIT, LIMIT)
    return clipped


def _not_negative(x: NDArray[np.floating]) -> None:
    if (x < 0).any():
        raise ValueError(f"rain total: expected 0 or more, found {np.nanmin(x)}")
