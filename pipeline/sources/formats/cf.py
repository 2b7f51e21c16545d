"""Attributes that say what stored numbers mean: fills, packing, valid range, units of time.

By the CF conventions, and as providers bend them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.sources.base import BadGranule
from pipeline.sources.formats.chunks import whole
from pipeline.sources.formats.hdf import attribute, attribute_names, is_unwritten, text
from pipeline.sources.formats.limits import default_fill, refuse_fills

_FILLS = ("_FillValue", "_Fillvalue", "_fillvalue", "missing_value")
_NUMBERS = {
    *_FILLS, "valid_range", "valid_min", "valid_max", "scale_factor", "add_offset", "_Unsigned",
}  # fmt: skip
_UNITS_S = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0,
    "hour": 3600.0, "d": 86_400.0, "day": 86_400.0, "msec": 1e-3, "millisecond": 1e-3,
}  # fmt: skip
"""Seconds in each unit of time."""
_SINCE = re.compile(
    r"([a-z]+) since (\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[t ] ?(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(\.\d*)?)?)?)?"
    r" ?(?:z|utc|gmt|([+-])(\d{1,2}):?(\d\d)?)?"
)
_YEARS = (1900, 2200)


def unpacked(
    data: Any,
    values: NDArray[Any],
    path: Path,
    *,
    fill: float | None = None,
    divides: bool = False,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Physical values of stored ones, NaN for fill and outside the valid range of the file.

    Parameters
    ----------
    data
        Variable whose attributes count: ``_FillValue``, ``missing_value``, ``valid_range``,
        ``valid_min``, ``valid_max``, ``scale_factor``, ``add_offset``.
    values
        Its values as stored, or a window of them.
    path
        The file, for the message.
    fill
        Fill, in stored units, where the variable declares none; netCDF's default is one too.
    divides
        A scale above 1 is a divisor, as in the MODIS vegetation products (10000), against CF.
    dtype
        Floating type of what is returned.

    Returns
    -------
    ndarray
        A new array of the shape of ``values``.

    Raises
    ------
    BadGranule
        The values are no numbers or were in part never written, or an attribute makes no sense.
    """
    name = getattr(data, "name", "").rpartition("/")[2] or "values"
    said = {key: _numbers(data, key, path) for key in attribute_names(data) & _NUMBERS}
    if values.dtype.kind not in "iuf" or "_Unsigned" in said:
        raise BadGranule(
            path,
            expected=f"numbers in {name}, of the type that they are stored in",
            found=f"{values.dtype}{' called unsigned' if '_Unsigned' in said else ''}",
        )
    fills = [one for key in _FILLS for one in said.get(key, ())]
    least, most = _valid(said, path)
    scale, offset = _packing(said, path, divides=divides)
    as_packed = values.dtype.kind == "f" or scale is None or not _is_physical(data, said)
    # A range in physical units is of the stored values (v - offset) / scale, within rounding.
    ends = (least, most) if as_packed else [(end - offset) / (scale or 1) for end in (least, most)]
    valid = round(min(ends), 6), round(max(ends), 6)
    refuse_fills(values, fills or None, path, name, valid=valid)
    if not fills:
        fills = [one for one in (fill, default_fill(values.dtype)) if one is not None]
    if (
        is_unwritten(data)
        and np.isfinite(data.fillvalue)
        and not _filled(np.ravel(data.fillvalue), fills).all()
    ):
        raise BadGranule(
            path,
            expected=f"values of {name}",
            found=f"none written, which read as {data.fillvalue}",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        missing = _filled(values, fills)
        found = np.array(values, dtype=dtype if scale is None else np.float64)
        if as_packed:
            _leave_out(missing, values, least, most)
        if scale is not None:
            found = found * scale + offset
        if not as_packed:
            _leave_out(missing, found, least, most)
        found[missing] = np.nan
        return found.astype(dtype, copy=False)


def fills_of(data: Any, path: Path) -> list[float]:
    """Return the fills that a variable declares, in stored units.

    Parameters
    ----------
    data
        Variable.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        One is no number.
    """
    return [one for key in _FILLS for one in _numbers(data, key, path)]


def _filled(values: NDArray[Any], fills: list[float]) -> NDArray[np.bool_]:
    """Where values are a fill; of floats nearly: −9999.9 stored in float32 is −9999.900391."""
    missing = np.zeros(values.shape, np.bool_)
    for fill in fills:
        if values.dtype.kind == "f" and np.isfinite(fill):
            missing |= np.abs(values - values.dtype.type(fill)) <= max(1e-4 * abs(fill), 0.01)
        else:
            missing |= values == fill
    return missing


def _leave_out(missing: NDArray[np.bool_], values: NDArray[Any], least: float, most: float) -> None:
    """Add what lies outside a valid range, whose ends are rounded as the values are."""
    kind = values.dtype
    if least > -np.inf:
        missing |= values < (kind.type(least) if kind.kind == "f" else least)
    if most < np.inf:
        missing |= values > (kind.type(most) if kind.kind == "f" else most)


def _packing(
    said: dict[str, list[float]], path: Path, *, divides: bool
) -> tuple[float | None, float]:
    """Scale and offset by which stored values are multiplied and raised; no scale: as they are."""
    scale, offset = said.get("scale_factor", []), said.get("add_offset", [])
    if not scale and not offset:
        return None, 0.0
    by, plus = (scale or [1.0])[0], (offset or [0.0])[0]
    if not np.isfinite(by) or by == 0 or not np.isfinite(plus) or max(len(scale), len(offset)) > 1:
        raise BadGranule(
            path,
            expected="one scale_factor other than 0 and one add_offset",
            found=f"{scale} and {offset}",
        )
    if divides and plus != 0:
        raise BadGranule(path, expected="add_offset 0 or none", found=f"{plus}")
    if divides and by > 1:
        by = 1 / by
    return (None, 0.0) if (by, plus) == (1.0, 0.0) else (by, plus)


def _valid(said: dict[str, list[float]], path: Path) -> tuple[float, float]:
    """Return the valid range that a variable declares, infinite where it declares none."""
    both = said.get("valid_range", [])
    least = both[:1] or said.get("valid_min") or [-np.inf]
    most = both[1:] or said.get("valid_max") or [np.inf]
    if len(least) != 1 or len(most) != 1 or not least[0] <= most[0]:
        raise BadGranule(
            path, expected="a valid range of two numbers in order", found=f"{least} and {most}"
        )
    return least[0], most[0]


def _is_physical(data: Any, said: dict[str, list[float]]) -> bool:
    """Whether a valid range is of floats, and so in the units of the unpacked values (NUG)."""
    found = [attribute(data, key) for key in said if key.startswith("valid_")]
    return any(np.asarray(one).dtype.kind == "f" for one in found)


def _numbers(data: Any, name: str, path: Path) -> list[float]:
    """Numbers of an attribute, which may be text; empty where it is absent."""
    said = attribute(data, name)
    if said is None or name == "_Unsigned":
        return []
    value = np.ravel(np.asarray(said))
    if value.dtype.kind in "iuf":
        return [float(one) for one in value]
    words = re.split(r"[\s,\x00]+", " ".join(_words(one) for one in value).strip())
    try:
        return [float(re.sub(r"(?<=[\d.])[bsuf]+$", "", word.lower())) for word in words if word]
    except ValueError:
        raise BadGranule(path, expected=f"numbers in {name}", found=repr(said)[:80]) from None


def _words(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def moment(time: h5py.Dataset, path: Path) -> np.datetime64:
    """Return the one moment that a time variable holds, UTC, to the second.

    Parameters
    ----------
    time
        Count since an epoch, in milliseconds, seconds, minutes, hours or days. Of the calendar no
        notice is taken: IMERG calls it julian and counts civil days all the same, without leap
        seconds. So a reader holds the moment against the name of its file.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        It holds several or none, or its units say something else.
    """
    units = text(time, "units")
    since = epoch(units)
    if since is None or time.size != 1:
        raise BadGranule(
            path,
            expected="one time in seconds, minutes, hours or days since an epoch",
            found=f"{time.size} in {units!r}",
        )
    count = float(unpacked(time, whole(time), path, dtype=np.float64).ravel()[0])
    begin, unit_s = since
    try:
        found = begin + timedelta(seconds=round(count * unit_s * 1000) / 1000)
    except (ValueError, OverflowError):
        found = datetime.min.replace(tzinfo=UTC)
    if not _YEARS[0] <= found.year < _YEARS[1]:
        raise BadGranule(
            path, expected=f"a time of {_YEARS[0]}..{_YEARS[1]}", found=f"{count} {units.strip()}"
        )
    found += timedelta(microseconds=500_000)
    return np.datetime64(found.replace(microsecond=0, tzinfo=None), "ns")


@lru_cache
def epoch(units: str) -> tuple[datetime, float] | None:
    """Epoch and seconds of each count of units of time; None where they are something else.

    Blanks about them, capitals, plurals, ``T``, ``Z``, ``UTC``, an offset, fractions of a second
    and a time that is cut short are all met with.

    Examples
    --------
    >>> epoch(" Hours since 2000-1-1T06:00Z")
    (datetime.datetime(2000, 1, 1, 6, 0, tzinfo=datetime.timezone.utc), 3600.0)
    >>> epoch("mm since yesterday")
    """
    found = _SINCE.fullmatch(" ".join(units.replace("\x00", " ").lower().split()))
    if found is None:
        return None
    unit, year, month, date, hour, minute, second, fraction, sign, ahead_h, ahead_min = (
        found.groups()
    )
    unit_s = _UNITS_S.get(unit) or _UNITS_S.get(unit.removesuffix("s"))
    if unit_s is None:
        return None
    ahead = timedelta(hours=int(ahead_h or 0), minutes=int(ahead_min or 0))
    clock = timedelta(
        hours=int(hour or 0),
        minutes=int(minute or 0),
        seconds=int(second or 0) + float(f"0{fraction or '.0'}0"),
    )
    try:
        day = datetime(int(year), int(month), int(date), tzinfo=UTC)
        return day + clock - (-ahead if sign == "-" else ahead), unit_s
    except (ValueError, OverflowError):
        return None
