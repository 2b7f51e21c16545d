"""Attributes for the meaning of stored numbers: fills, packing, valid range, units of time.

They follow the CF conventions, with the deviations of providers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.sources.base import BadGranule
from pipeline.sources.formats.chunks import read_whole
from pipeline.sources.formats.field import Field, Hdf4Field, read_attribute, read_text
from pipeline.sources.formats.limits import find_default_fill, refuse_fills

_FILLS = ("_FillValue", "_Fillvalue", "_fillvalue", "missing_value")
NUMBERS = {
    *_FILLS, "valid_range", "valid_min", "valid_max", "scale_factor", "add_offset", "_Unsigned",
}  # fmt: skip
"""Attributes without which stored numbers are the physical values."""
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
_MANY = 1 << 17
"""Number of two-byte values from which a table of all possible values is faster."""


def unpack(
    data: Field | Hdf4Field,
    values: NDArray[Any],
    path: Path,
    *,
    fill: float | None = None,
    divides: bool = False,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Unpack stored values to physical ones, NaN for fill and outside the valid range of the file.

    Parameters
    ----------
    data
        Variable whose attributes count: ``_FillValue``, ``missing_value``, ``valid_range``,
        ``valid_min``, ``valid_max``, ``scale_factor``, ``add_offset``.
    values
        Its stored values, or a window of them.
    path
        The file, for the message.
    fill
        Fill, in stored units, where the variable declares none; netCDF's default is one too.
    divides
        Whether a scale above 1 is a divisor, as in the MODIS vegetation products (10000), against
        CF.
    dtype
        Floating type of the result.

    Returns
    -------
    ndarray
        A new array of the shape of ``values``.

    Raises
    ------
    BadGranule
        The values are no numbers, some were never written, or an attribute is invalid.
    """
    name = data.name.rpartition("/")[2] or "values"
    numbers = {key: _read_numbers(data, key, path) for key in NUMBERS.intersection(data.attrs)}
    if values.dtype.kind not in "iuf" or "_Unsigned" in numbers:
        raise BadGranule(
            path,
            expected=f"numbers in {name}, of the type that they are stored in",
            found=f"{values.dtype}{' called unsigned' if '_Unsigned' in numbers else ''}",
        )
    fills = [number for key in _FILLS for number in numbers.get(key, ())]
    least, most = _read_valid_range(numbers, path)
    scale, offset = _read_scale(numbers, path, divides=divides)
    as_packed = values.dtype.kind == "f" or scale is None or not _is_physical(data, numbers)
    # A range in physical units is of the stored values (v - offset) / scale, within rounding.
    ends = (least, most) if as_packed else [(end - offset) / (scale or 1) for end in (least, most)]
    valid = round(min(ends), 6), round(max(ends), 6)
    refuse_fills(values, fills or None, path, name, valid=valid)
    if not fills:
        fills = [number for number in (fill, find_default_fill(values.dtype)) if number is not None]
    if (
        data.is_unwritten
        and np.isfinite(data.fillvalue)
        and not _is_fill(np.ravel(data.fillvalue), fills).all()
    ):
        raise BadGranule(
            path,
            expected=f"values of {name}",
            found=f"none written, which read as {data.fillvalue}",
        )
    packing = _Packing(tuple(fills), least, most, scale, offset, as_packed)
    kind = values.dtype
    if kind.kind == "f" or kind.itemsize > 2 or values.size < _MANY:
        return packing.unpack(values, np.dtype(dtype))
    # All possible values are unpacked once: 2 ms for a window of GK2A instead of 9.
    native = kind.newbyteorder("=")
    index = values.astype(native, copy=False).view(f"u{kind.itemsize}")
    return np.take(_tabulate(packing, native, np.dtype(dtype)), index)


@dataclass(frozen=True)
class _Packing:
    """Packing of a variable; the valid range is in packed or in physical units."""

    fills: tuple[float, ...]
    least: float
    most: float
    scale: float | None
    offset: float
    as_packed: bool

    def unpack(self, stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Unpack values, NaN for fill and outside the valid range."""
        with np.errstate(over="ignore", invalid="ignore"):
            missing = _is_fill(stored, self.fills)
            physical = np.array(stored, dtype=dtype if self.scale is None else np.float64)
            if self.as_packed:
                _leave_out(missing, stored, self.least, self.most)
            if self.scale is not None:
                physical = physical * self.scale + self.offset
            if not self.as_packed:
                _leave_out(missing, physical, self.least, self.most)
            np.copyto(physical, np.nan, where=missing)
            return physical.astype(dtype, copy=False)


@lru_cache(maxsize=8)
def _tabulate(packing: _Packing, kind: np.dtype[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Tabulate the physical value of each integer of a type, in the order of its bits."""
    stored = np.arange(1 << 8 * kind.itemsize, dtype=f"u{kind.itemsize}").view(kind)
    return packing.unpack(stored, dtype)


def read_fills(data: Field | Hdf4Field, path: Path) -> list[float]:
    """Read the fills that a variable declares, in stored units.

    Parameters
    ----------
    data
        Variable.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        A fill is no number.
    """
    return [fill for key in _FILLS for fill in _read_numbers(data, key, path)]


def _is_fill(values: NDArray[Any], fills: Sequence[float]) -> NDArray[np.bool_]:
    """Return where values are a fill; floats nearly: −9999.9 in float32 is −9999.900391."""
    missing = None
    for fill in fills:
        if values.dtype.kind == "f" and math.isfinite(fill):
            is_this = np.abs(values - values.dtype.type(fill)) <= max(1e-4 * abs(fill), 0.01)
        else:
            is_this = values == fill
        missing = is_this if missing is None else missing | is_this
    return np.zeros(values.shape, np.bool_) if missing is None else np.asarray(missing)


def _leave_out(missing: NDArray[np.bool_], values: NDArray[Any], least: float, most: float) -> None:
    """Add values outside a valid range, whose ends are rounded as the values are."""
    kind = values.dtype
    if least > -np.inf:
        missing |= values < (kind.type(least) if kind.kind == "f" else least)
    if most < np.inf:
        missing |= values > (kind.type(most) if kind.kind == "f" else most)


def _read_scale(
    numbers: dict[str, list[float]], path: Path, *, divides: bool
) -> tuple[float | None, float]:
    """Read scale and offset of stored values; no scale means that they are physical."""
    scale, offset = numbers.get("scale_factor", []), numbers.get("add_offset", [])
    if not scale and not offset:
        return None, 0.0
    factor, increment = (scale or [1.0])[0], (offset or [0.0])[0]
    if (
        not np.isfinite(factor)
        or factor == 0
        or not np.isfinite(increment)
        or max(len(scale), len(offset)) > 1
    ):
        raise BadGranule(
            path,
            expected="one scale_factor other than 0 and one add_offset",
            found=f"{scale} and {offset}",
        )
    if divides and increment != 0:
        raise BadGranule(path, expected="add_offset 0 or none", found=f"{increment}")
    if divides and factor > 1:
        factor = 1 / factor
    return (None, 0.0) if (factor, increment) == (1.0, 0.0) else (factor, increment)


def _read_valid_range(numbers: dict[str, list[float]], path: Path) -> tuple[float, float]:
    """Read the valid range that a variable declares, infinite where it declares none."""
    both = numbers.get("valid_range", [])
    least = both[:1] or numbers.get("valid_min") or [-np.inf]
    most = both[1:] or numbers.get("valid_max") or [np.inf]
    if len(least) != 1 or len(most) != 1 or not least[0] <= most[0]:
        raise BadGranule(
            path, expected="a valid range of two numbers in order", found=f"{least} and {most}"
        )
    return least[0], most[0]


def _is_physical(data: Field | Hdf4Field, numbers: dict[str, list[float]]) -> bool:
    """Return whether a valid range is of floats, so in the units of the unpacked values (NUG)."""
    ends = [read_attribute(data, key) for key in numbers if key.startswith("valid_")]
    return any(np.asarray(end).dtype.kind == "f" for end in ends)


def _read_numbers(data: Any, name: str, path: Path) -> list[float]:
    """Read the numbers of an attribute, which may be text; empty where it is absent."""
    stored = read_attribute(data, name)
    if stored is None or name == "_Unsigned":
        return []
    values = np.ravel(np.asarray(stored))
    if values.dtype.kind in "iuf":
        return [float(value) for value in values]
    words = re.split(r"[\s,\x00]+", " ".join(_decode(value) for value in values).strip())
    try:
        return [float(re.sub(r"(?<=[\d.])[bsuf]+$", "", word.lower())) for word in words if word]
    except ValueError:
        raise BadGranule(path, expected=f"numbers in {name}", found=repr(stored)[:80]) from None


def _decode(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_moment(time: Field, path: Path) -> np.datetime64:
    """Read the one moment of a time variable, UTC, to the second.

    Parameters
    ----------
    time
        Count since an epoch, in milliseconds, seconds, minutes, hours or days. The calendar is
        ignored: IMERG calls it julian but counts civil days, without leap seconds. So readers
        compare the moment with the name of the file.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The variable has several values or none, or other units.
    """
    units = read_text(time, "units")
    since = parse_epoch(units)
    if since is None or time.size != 1:
        raise BadGranule(
            path,
            expected="one time in seconds, minutes, hours or days since an epoch",
            found=f"{time.size} in {units!r}",
        )
    count = float(unpack(time, read_whole(time), path, dtype=np.float64).ravel()[0])
    begin, unit_s = since
    try:
        time_utc = begin + timedelta(seconds=round(count * unit_s * 1000) / 1000)
    except (ValueError, OverflowError):
        time_utc = datetime.min.replace(tzinfo=UTC)
    if not _YEARS[0] <= time_utc.year < _YEARS[1]:
        raise BadGranule(
            path, expected=f"a time of {_YEARS[0]}..{_YEARS[1]}", found=f"{count} {units.strip()}"
        )
    time_utc += timedelta(microseconds=500_000)
    return np.datetime64(time_utc.replace(microsecond=0, tzinfo=None), "ns")


@lru_cache
def parse_epoch(units: str) -> tuple[datetime, float] | None:
    """Parse units of time to the epoch and the seconds of each count; None for other units.

    Surrounding blanks, capitals, plurals, ``T``, ``Z``, ``UTC``, an offset, fractions of a second
    and a shortened time all occur in files.

    Examples
    --------
    >>> parse_epoch(" Hours since 2000-1-1T06:00Z")
    (datetime.datetime(2000, 1, 1, 6, 0, tzinfo=datetime.timezone.utc), 3600.0)
    >>> parse_epoch("mm since yesterday")
    """
    match = _SINCE.fullmatch(" ".join(units.replace("\x00", " ").lower().split()))
    if match is None:
        return None
    unit, year, month, date, hour, minute, second, fraction, sign, ahead_h, ahead_min = (
        match.groups()
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
