"""Inputs of the stage model as of a moment, and the library of features made of them by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pipeline.quality import mornings
from pipeline.quality.flags import USED
from pipeline.quality.selection import select_used
from pipeline.times import naive_timestamp

DAY = pd.Timedelta(days=1)
STALE_H = 48.0
"""A last reading that is older does not count; the forecast falls to tier climatology."""
LAGS = 5
"""Number of daily changes of each gauge among the features (days)."""
SINCE_D = (4, 7, 10, 15, 30, 45)
"""Days over which longer changes of each gauge are features."""
RISE_WINDOWS_D = (1, 4)
"""Days over which a rise is a feature and a fall is 0."""
ABOVE_D = (10, 30, 60)
"""Days whose mean a stage is compared with."""
RAIN_WINDOWS: tuple[tuple[int, int], ...] = ((0, 1), (1, 2), (2, 3), (3, 7), (7, 15), (15, 30))
"""Windows of rain, days before the issue time, half-open; the first is the last 24 h."""
WETNESS_WINDOW = (0, 60)
MEAN_RAIN_WINDOWS = (
    (0, 1), (1, 2), (2, 3), (3, 5), (5, 7), (7, 10), (10, 15), (15, 22), (22, 30), (30, 60),
)  # fmt: skip
"""Windows of the rain averaged over units, finer than a single unit's noise would bear."""
WET_MONTH_WINDOW = (7, 37)
"""Window of the mean rain that separates a wet month from a dry one."""
TIDE_PERIODS_D = (14.7653, 14.1916, 9.6137, 182.6211)
"""Periods of M2, O1, N2 and K2 aliased by readings at one hour of the day, days."""


class TooFewStages(ValueError):  # noqa: N818
    """There are no stage readings that are usable, or no gauge has enough of them."""


@dataclass(frozen=True)
class StageInputs:
    """Stages and rain as known each morning at 00:30 UTC, one row per date.

    Parameters
    ----------
    stage
        Stage at 00:00Z of the date in m, one column per gauge: the reading nearest to it within
        90 minutes, or on a line between two readings; NaN where there is none.
    evening
        Stage at 12:00Z of the day before, m, same columns.
    rain
        Rain in mm of the 24 h that end at 00:00Z of the date, one column per unit: a sub-basin
        (``basin:...``) or the code of a rain gauge.
    soil_moisture
        Root-zone soil moisture of the day before, m3 m-3, one column per sub-basin; or None.
    origin
        ``virtual`` if any part is, else ``measured``.
    newest, newest_age_h
        Last reading before the issue time of the date, m, and its age at 00:00Z, hours; same
        columns. None where only mornings and evenings are known.
    """

    stage: pd.DataFrame
    evening: pd.DataFrame
    rain: pd.DataFrame
    soil_moisture: pd.DataFrame | None
    origin: Literal["virtual", "measured"]
    newest: pd.DataFrame | None = None
    newest_age_h: pd.DataFrame | None = None

    def until(self, date: pd.Timestamp) -> StageInputs:
        """Rows up to and including a date, as the morning of that date knew them."""
        return self._apply(lambda table: table.loc[:date])

    def last(self, days: int) -> StageInputs:
        """Last rows alone."""
        return self._apply(lambda table: table.iloc[-days:])

    def with_gauges(self, gauges: Iterable[str]) -> StageInputs:
        """Give every gauge a column, empty where it has no reading."""
        columns = sorted({*self.stage, *gauges})
        names = ("stage", "evening", "newest", "newest_age_h")
        tables = {name: getattr(self, name) for name in names}
        wider: dict[str, Any] = {
            name: table.reindex(columns=columns)
            for name, table in tables.items()
            if table is not None
        }
        return replace(self, **wider)

    def _apply(self, cut: Callable[[pd.DataFrame], pd.DataFrame]) -> StageInputs:
        """Cut every table alike."""
        names = ("stage", "evening", "rain", "soil_moisture", "newest", "newest_age_h")
        tables = {name: getattr(self, name) for name in names}
        cuts: dict[str, Any] = {
            name: cut(table) for name, table in tables.items() if table is not None
        }
        return replace(self, **cuts)


def build_inputs(
    *,
    stage: pd.DataFrame,
    asof: datetime,
    rain: pd.DataFrame | None = None,
    zonal: xr.Dataset | None = None,
    start: datetime | None = None,
) -> StageInputs:
    """Model inputs from canonical readings and zonal daily series.

    Parameters
    ----------
    stage
        Canonical stage readings (station, valid_time, value, qc) as known at ``asof``.
    asof
        Moment of issue, aware; the last row is its date. Readings later than it are left out.
    rain
        Canonical readings of rain gauges; those of the 24 h to 00:00Z are added up.
    zonal
        Zonal daily series with ``rain`` (mm/day) and perhaps ``soil_moisture``, dims (time, zone),
        time the start of the day; of its zones the sub-basins are taken.
    start
        First date; default the first stage reading's.

    Returns
    -------
    StageInputs
        One row per date from ``start`` to the date of ``asof``, without gaps.

    Raises
    ------
    ValueError
        ``asof`` has no time zone.
    TooFewStages
        There is no stage reading.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> times = pd.to_datetime(["2018-08-01 00:00", "2018-08-01 12:00", "2018-08-02 00:00"])
    >>> readings = pd.DataFrame(
    ...     {"station": "013901", "valid_time": times, "value": [9.0, 9.2, 9.5], "qc": "good"}
    ... )
    >>> inputs = build_inputs(stage=readings, asof=datetime(2018, 8, 2, 0, 30, tzinfo=UTC))
    >>> inputs.stage["013901"].tolist(), inputs.evening["013901"].tolist()
    ([9.0, 9.5], [nan, 9.2])
    """
    if asof.tzinfo is None:
        raise ValueError(f"expected an aware moment, found {asof!r} without a time zone")
    moment = naive_timestamp(asof)
    readings = _select_usable(stage, moment)
    if readings.empty:
        raise TooFewStages("expected stage readings, found none that is usable")
    first = naive_timestamp(start) if start else readings["valid_time"].min()
    dates = pd.date_range(first.normalize(), moment.normalize(), name="date")
    by_date = mornings.tabulate(readings, dates, issued=(moment - moment.normalize()).to_numpy())
    virtual = "virtual" in {
        part.attrs.get("origin") for part in (stage, rain, zonal) if part is not None
    } or any(
        "origin" in part and (part["origin"] == "virtual").any()
        for part in (stage, rain)
        if part is not None
    )
    return StageInputs(
        stage=by_date.morning,
        evening=by_date.evening,
        rain=_daily_rain(rain, zonal, moment, dates),
        soil_moisture=_select_sub_basins(zonal, "soil_moisture", dates),
        origin="virtual" if virtual else "measured",
        newest=by_date.newest,
        newest_age_h=by_date.newest_age_h,
    )


def _select_usable(readings: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Good readings valid by a moment; of a gauge with mostly absolute levels, those levels."""
    known = readings[(readings["valid_time"] <= moment) & readings["value"].notna()]
    absolute = known["qc"] == "absolute"
    mostly = absolute.groupby(known["station"]).transform("mean") > 0.5
    return known[(known["qc"].isin(USED) & ~mostly) | (absolute & mostly)]


def _daily_rain(
    rain: pd.DataFrame | None,
    zonal: xr.Dataset | None,
    moment: pd.Timestamp,
    dates: pd.DatetimeIndex,
) -> pd.DataFrame:
    parts = []
    if rain is not None and not rain.empty:
        known = select_used(rain[rain["valid_time"] <= moment])
        # A stamp ends its interval, so 06:00Z of a day belongs to the next morning's 24 h.
        date = known["valid_time"].dt.ceil("D")
        total = known.assign(date=date).groupby(["date", "station"])["value"].sum(min_count=1)
        table = total.reset_index().pivot_table(index="date", columns="station", values="value")
        parts.append(table.reindex(dates))
    zones = _select_sub_basins(zonal, "rain", dates)
    if zones is not None:
        parts.append(zones)
    if not parts:
        return pd.DataFrame(index=dates)
    return pd.concat(parts, axis=1).astype("float64")


def _select_sub_basins(
    zonal: xr.Dataset | None, name: str, dates: pd.DatetimeIndex
) -> pd.DataFrame | None:
    """Variable of the sub-basins, the day before each date."""
    if zonal is None or name not in zonal:
        return None
    units = [zone for zone in zonal["zone"].values.tolist() if zone.startswith("basin:")]
    values = zonal[name].sel(zone=units).transpose("time", "zone").to_numpy()
    date = pd.DatetimeIndex(zonal["time"].to_numpy()).normalize() + DAY
    frame = pd.DataFrame(values, index=date, columns=units, dtype="float64")
    return frame.reindex(dates)


def fill_stage(inputs: StageInputs) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Last reading of each gauge on each date, and its age.

    Where the morning's reading has not come, the newest one before it stands, back to before
    ``STALE_H``: at 00:30 a reading of 00:00 two days ago is older than that.

    Returns
    -------
    tuple of DataFrame
        Stage in m and age in hours (0 for the morning's), both NaN where the last reading is older
        than ``STALE_H``.
    """
    level = inputs.stage
    age = level.where(level.isna(), 0.0)
    if inputs.newest is not None and inputs.newest_age_h is not None:
        new = level.isna() & (inputs.newest_age_h < STALE_H)
        return level.where(~new, inputs.newest), age.where(~new, inputs.newest_age_h)
    steps = [(days, part) for days in range(int(STALE_H // 24) + 1) for part in (0.0, 12.0)]
    for days, part in steps:
        hours = 24.0 * days + part
        if not 0.0 < hours < STALE_H:
            continue
        older = (inputs.stage if part == 0.0 else inputs.evening).shift(days)
        new = level.isna() & older.notna()
        level = level.where(~new, older)
        age = age.where(~new, hours)
    return level, age


@dataclass(frozen=True)
class Library:
    """Candidate features, shared by all gauges.

    Parameters
    ----------
    dates
        One row each.
    columns
        Name -> values of shape (n_dates,). Names begin with their kind: ``change:<gauge>:<lag>``,
        ``rise:<gauge>`` (since the evening before), ``level:<gauge>``, ``since:<gauge>:<days>``,
        ``rose:<gauge>:<days>`` (a fall is 0), ``above:<gauge>:<days>`` (their mean),
        ``rain:<unit>:<first>`` (mean root of a window's days), ``root:<unit>:<window>`` (root of
        their mean), ``wet:<unit>``, ``soil:<unit>``, ``season:<k>``, ``tide:<k>``.
    level, age_h
        :func:`fill_stage`.
    rain
        Raw rain, mm.
    """

    dates: pd.DatetimeIndex
    columns: dict[str, NDArray[np.float64]]
    level: pd.DataFrame
    age_h: pd.DataFrame
    rain: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """Features as the columns of a table by date, as the stage regressors take them."""
        return pd.DataFrame(self.columns, index=self.dates)


def build_library(inputs: StageInputs) -> Library:
    """Candidate features of every date; a row depends on no later row.

    Returns
    -------
    Library
        Changes in m, rain as the root of mm, NaN where an ingredient is missing.
    """
    level, age = fill_stage(inputs)
    dates = pd.DatetimeIndex(level.index)
    columns: dict[str, NDArray[np.float64]] = {}
    for gauge in level:
        columns |= _gauge_features(
            str(gauge), level[gauge].to_numpy(), inputs.evening[gauge].to_numpy()
        )
    for unit in inputs.rain:
        columns |= _rain_features(str(unit), np.clip(inputs.rain[unit].to_numpy(), 0.0, 300.0))
    if inputs.soil_moisture is not None:
        for unit in inputs.soil_moisture:
            columns[f"soil:{unit}"] = inputs.soil_moisture[unit].to_numpy()
    for k, values in enumerate(_harmonics(dates, (365.25, 365.25 / 2, 365.25 / 3))):
        columns[f"season:{k}"] = values
    for k, values in enumerate(_harmonics(dates, TIDE_PERIODS_D)):
        columns[f"tide:{k}"] = values
    return Library(dates, columns, level, age, inputs.rain)


def _gauge_features(
    gauge: str, level: NDArray[np.float64], evening: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    change = level - _lag(level, 1)
    columns = {f"change:{gauge}:{lag}": _lag(change, lag) for lag in range(LAGS)}
    columns |= {f"rise:{gauge}": level - evening, f"level:{gauge}": level}
    for days in SINCE_D:
        columns[f"since:{gauge}:{days}"] = level - _lag(level, days)
    for days in RISE_WINDOWS_D:
        columns[f"rose:{gauge}:{days}"] = np.maximum(level - _lag(level, days), 0.0)
    for days in ABOVE_D:
        columns[f"above:{gauge}:{days}"] = level - window_mean(level, 0, days)
    return columns


def _rain_features(unit: str, rain_mm: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    root = np.sqrt(rain_mm)
    columns = {
        f"rain:{unit}:{first}": window_mean(root, first, after) for first, after in RAIN_WINDOWS
    }
    for first, after in (*MEAN_RAIN_WINDOWS, WET_MONTH_WINDOW):
        columns[f"root:{unit}:{first}:{after}"] = np.sqrt(window_mean(rain_mm, first, after))
    return columns | {f"wet:{unit}": window_mean(root, *WETNESS_WINDOW)}


def _lag(values: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    if lag == 0:
        return values
    return np.concatenate([np.full(min(lag, len(values)), np.nan), values[:-lag]])


def window_mean(values: NDArray[np.float64], first: int, after: int) -> NDArray[np.float64]:
    """Mean over the rows ``first`` to ``after - 1`` back; NaN with under half of them.

    Examples
    --------
    >>> window_mean(np.array([1.0, 3.0, np.nan, 5.0]), 0, 2).tolist()
    [1.0, 2.0, 3.0, 5.0]
    """
    length = after - first
    padded = np.concatenate([np.full(after - 1, np.nan), values])[: len(values) + length - 1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)
    known = np.isfinite(windows)
    count = known.sum(axis=1)
    total = np.where(known, windows, 0.0).sum(axis=1)
    return np.where(2 * count >= length, total / np.maximum(count, 1), np.nan)


def _harmonics(dates: pd.DatetimeIndex, periods_d: tuple[float, ...]) -> list[NDArray[np.float64]]:
    days = (dates - pd.Timestamp("2000-01-01")) / DAY
    phases = [2.0 * np.pi * days.to_numpy() / period for period in periods_d]
    return [wave(phase) for phase in phases for wave in (np.sin, np.cos)]
