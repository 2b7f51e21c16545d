"""Physical limits of the values that readers return, and undeclared fills.

The limits are those of :mod:`pipeline.geography.variables`. A few impossible cells become missing
and are counted; with many, or with one that was never written, the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.geography.variables import VARIABLES, Variable
from pipeline.sources.base import BadGranule

if TYPE_CHECKING:
    import xarray as xr

MOST_OUT_OF_RANGE = 0.01
"""Greatest share of a window's values out of range; with more the file is refused."""
_ROUNDING = 1e-6
"""Share of a range by which packing and float32 may exceed its ends."""
_DEFAULT_FILLS = {
    "i1": -127, "u1": 255,
    "f4": 9.969209968386869e36, "f8": 9.969209968386869e36, "i2": -32767, "u2": 65535,
    "i4": -2147483647, "u4": 4294967295, "i8": -9223372036854775806, "u8": 18446744073709551614,
}  # fmt: skip
"""Default fills of netCDF, in cells that were never written."""
_STRAY = 1e36
"""Magnitude of floats from which they may be a default fill or the type's extreme."""


def mask_impossible(ds: xr.Dataset, path: Path) -> xr.Dataset:
    """Make cells outside their variable's range missing, and count them.

    Parameters
    ----------
    ds
        Dataset of a reader; variables that are not in ``variables.py`` are left as they are.
    path
        The file, for the message.

    Returns
    -------
    xarray.Dataset
        Dataset without impossible values. Where there were any, the attribute ``out_of_range`` has
        for each variable their number (``cells``) and the one furthest out (``worst``, in the
        variable's units; infinity as the largest float). A value outside the range by rounding
        alone is set to its end.

    Raises
    ------
    BadGranule
        More than 1 % of a variable's values are out of range.

    Examples
    --------
    >>> from pathlib import Path
    >>> import xarray as xr
    >>> rain = np.full((1, 20, 10), 2.0)
    >>> rain[0, 3, 4] = 1e30
    >>> ds = xr.Dataset({"rain_rate": (("time", "lat", "lon"), rain)})
    >>> ds = mask_impossible(ds, Path("a.nc"))
    >>> int(ds["rain_rate"].isnull().sum()), ds.attrs["out_of_range"]
    (1, {'rain_rate': {'cells': 1, 'worst': 1e+30}})
    """
    counted: dict[str, dict[str, float]] = {}
    changed: dict[str, xr.DataArray] = {}
    for name in ds.data_vars:
        row = VARIABLES.get(str(name))
        values = ds.variables[name].values
        if row is None:
            continue
        within, count = _mask_outside(values, row, row.name, path)
        if within is not values:
            changed[row.name] = ds[name].copy(data=within)
        if count:
            counted[row.name] = count
    if not changed:
        return ds
    ds = ds.assign(changed)
    if not counted:
        return ds
    return ds.assign_attrs(out_of_range=ds.attrs.get("out_of_range", {}) | counted)


def mask_impossible_pixels(
    values: NDArray[Any], variable: str, path: Path
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Make impossible pixels missing before cells take their mean.

    Parameters
    ----------
    values
        In the variable's units, NaN for missing.
    variable
        Its name in ``variables.py``.
    path
        The file, for the message.

    Returns
    -------
    tuple
        The values, and attributes for their dataset: ``out_of_range`` as of
        :func:`mask_impossible` where there were any, else none.

    Raises
    ------
    BadGranule
        More than 1 % of the values are out of range.
    """
    within, count = _mask_outside(values, VARIABLES[variable], variable, path)
    return within, {"out_of_range": {variable: count}} if count else {}


def mask_impossible_parts(
    parts: Mapping[str, NDArray[Any]], variable: str, path: Path
) -> tuple[NDArray[Any], dict[str, dict[str, float]]]:
    """Make impossible cells missing in each of the fields that are summed to a variable.

    A sum can be possible where its parts are not.

    Parameters
    ----------
    parts
        Fields by their names in the file, in the variable's units.
    variable
        Name of the variable, whose range holds for each of them.
    path
        The file, for the message.

    Returns
    -------
    tuple
        The fields stacked along a new first axis, and their ``out_of_range`` as of
        :func:`mask_impossible`.

    Raises
    ------
    BadGranule
        More than 1 % of a field's values are out of range.

    Examples
    --------
    >>> from pathlib import Path
    >>> flows = {"Qs": np.full(200, 2.0), "Qsb": np.full(200, 1.0)}
    >>> flows["Qs"][0] = -99.0
    >>> fields, counted = mask_impossible_parts(flows, "runoff", Path("a.nc"))
    >>> fields.sum(axis=0)[:2], counted
    (array([nan,  3.]), {'Qs': {'cells': 1, 'worst': -99.0}})
    """
    fields, counted = [], {}
    for name, values in parts.items():
        within, count = _mask_outside(values, VARIABLES[variable], f"{name} of {variable}", path)
        fields.append(within)
        if count:
            counted[name] = count
    return np.stack(fields), counted


def _mask_outside(
    values: NDArray[Any], row: Variable, name: str, path: Path
) -> tuple[NDArray[Any], dict[str, float]]:
    """Replace values out of range by NaN, and return their count and the worst of them.

    Where all lie in the range, the same array is returned.
    """
    if not values.size:
        return values, {}
    least, most = np.fmin.reduce(values, None), np.fmax.reduce(values, None)
    if not (least < row.valid_min or most > row.valid_max):
        return values, {}
    slack = _ROUNDING * (row.valid_max - row.valid_min)
    outside = (values < row.valid_min - slack) | (values > row.valid_max + slack)
    cells = int(outside.sum())
    within = np.clip(values, row.valid_min, row.valid_max)
    if not cells:
        return within, {}
    outliers = values[outside].astype(np.float64)
    excess = np.maximum(row.valid_min - outliers, outliers - row.valid_max)
    worst = float(np.nan_to_num(outliers[excess.argmax()]))
    valued = int(values.size - np.isnan(values).sum())
    if cells > MOST_OUT_OF_RANGE * valued:
        raise BadGranule(
            path,
            expected=f"{name} in {row.valid_min:g}..{row.valid_max:g} {row.units}",
            found=f"{cells} of {valued} cells outside, the worst {worst:g}",
        )
    return np.where(outside, np.nan, within).astype(values.dtype), {"cells": cells, "worst": worst}


def refuse_fills(
    values: NDArray[Any],
    declared_fill: ArrayLike | None,
    path: Path,
    name: str,
    *,
    valid: tuple[float, float] | None = None,
) -> None:
    """Refuse a field with cells that were never written, which no declared fill masks.

    Such a cell holds netCDF's default fill of its type, or the type's extreme.

    Parameters
    ----------
    values
        Stored values, before any scale, of a physical field: codes may use every byte.
    declared_fill
        The fill or fills that the variable declares, in stored units; None where it declares none,
        so that the default fill is its own.
    path, name
        The file and the variable, for the message.
    valid
        Range of stored values that the variable declares; an integer in it is data, as in bytes
        that use their whole range. A range that is open on one side is ignored on that side.

    Raises
    ------
    BadGranule
        A cell holds such a value, and the variable declares another fill.

    Examples
    --------
    >>> from pathlib import Path
    >>> refuse_fills(np.array([1.5, 9.969209968386869e36], "f4"), -9999.9, Path("a.nc"), "rain")
    Traceback (most recent call last):
    pipeline.sources.base.BadGranule: a.nc: expected rain with fill -9999.9, found 1 cells of \
9.96921e+36, which were never written
    """
    kind = values.dtype
    if declared_fill is None or kind.kind not in "iuf" or not values.size:
        return
    least, most = (float(reduce(values, None)) for reduce in (np.fmin.reduce, np.fmax.reduce))
    if kind.kind == "f" and not (least < -_STRAY or most > _STRAY):
        return
    declared = np.ravel(np.asarray(declared_fill, np.float64))
    for stray in _list_strays(kind):
        if not least <= stray <= most or np.isclose(declared, stray, rtol=1e-5, atol=0).any():
            continue
        if kind.kind != "f" and valid is not None and _holds(valid, stray):
            continue
        if cells := int((values == kind.type(stray)).sum()):
            raise BadGranule(
                path,
                expected=f"{name} with fill {', '.join(f'{fill:.10g}' for fill in declared)}",
                found=f"{cells} cells of {stray:g}, which were never written",
            )


def _holds(valid: tuple[float, float], stray: float) -> bool:
    """Return whether a range that is bounded on the side of a value contains it."""
    end = valid[1] if stray > 0 else valid[0]
    return bool(np.isfinite(end)) and valid[0] <= stray <= valid[1]


def find_default_fill(kind: np.dtype[Any]) -> float | None:
    """Find netCDF's default fill of a type; None for bytes, where it can be data."""
    return None if kind.itemsize == 1 else _DEFAULT_FILLS.get(f"{kind.kind}{kind.itemsize}")


def _list_strays(kind: np.dtype[Any]) -> list[float]:
    """List the default fill of a type, and its extremes."""
    default = _DEFAULT_FILLS.get(f"{kind.kind}{kind.itemsize}")
    strays = [] if default is None else [default]
    if kind.kind == "f":
        ends = {
            float(np.finfo(float_type).max)
            for float_type in (kind, np.dtype("f4"))
            if float_type <= kind
        }
        return [*strays, *ends, *(-end for end in ends)]
    limits = np.iinfo(kind)
    # Zero is the least of unsigned types, and data.
    return [*strays, limits.max, *((limits.min,) if limits.min else ())]
