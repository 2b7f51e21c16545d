"""Quality control of gauge readings: what each flag says, and which readings are used.

Nothing is deleted or overwritten: the tables keep every reading as it came, and the flags are made
anew on every read, from the readings known at the moment of the question alone. A flag stored at
ingest would either look ahead (a history read in one go knows the morning after) or depend on the
order of the files. So the newest reading is taken as it is unless it is impossible: whether it is a
spike can only be told by what follows, and a crest that is held back would be a flood that is
missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.checks import Blocked, Check, Downpour, Hampel, Jump, Range, Rate, Spike, Stuck
from pipeline.places import stations, verified_zeros
from pipeline.variables import VARIABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.checks import Bools, Floats

    Objects = NDArray[np.object_]

METHODS = ("manual", "calculated", "telemetry")
"""How a value was got, in order of precedence: of several good values of one time the observer's
stands before one calculated from the day, and both before a sensor's."""
USED = ("good", "estimated", "converted")
"""Flags of the readings that forecasts, training and verification use."""
FLAGS = (*USED, "absolute", "conflict", "range", "rate", "jump", "spike", "stuck")
"""``estimated`` and ``conflict`` (another value stood for the same time in the file) come from the
file; ``absolute`` is a level above the sea at a gauge without zero and thresholds: its changes
count, the level does not."""
CONTEXT = timedelta(days=45)
"""Readings before an interval that its flags depend on: longer than any check looks back."""
_HOUR = np.timedelta64(3600, "s")
STAGE: tuple[tuple[str, Check], ...] = (
    ("spike", Spike()),
    ("spike", Spike(up_m=0.3, down_m=0.3, alone=2.0, nearest_h=0.0, farthest_h=1.5)),
    ("spike", Hampel()), ("stuck", Stuck()), ("rate", Rate()), ("jump", Jump()),
)  # fmt: skip
"""Checks of a stage within its range, in order: a spike is no jump there and back, and the end of
a frozen stretch none either."""
RAIN: tuple[tuple[str, Check], ...] = (
    ("range", Downpour()), ("stuck", Stuck(close_h=6.0, apart_h=96.0, least=1.0)),
    ("stuck", Blocked()),
)  # fmt: skip
"""Checks of rain; the same 1 mm or more on five days is a copied cell."""
ABOVE_FLOOD_M = 5.0
"""No reading of 1960-2018 at a gauge of the table is as much above its flood stage."""
WHOLE_DAY = pd.Timedelta(hours=21.6)
"""A sensor's day of rain counts from nine tenths on: a sum over gaps would be too low."""
SEA_M = 20.0
"""A gauge whose zero is higher than this above the sea cannot read its level for its stage."""


def flagged(readings: pd.DataFrame) -> pd.DataFrame:
    """Flag readings by what is known from them alone.

    Parameters
    ----------
    readings
        Canonical readings (station, variable, method, valid_time, value, unit, qc, raw): all that
        were known at a moment, one per station, variable, method and time.

    Returns
    -------
    pandas.DataFrame
        The same rows, by series and time, with ``qc`` from ``FLAGS``. Where a stage was plainly
        given in another unit or above the sea, ``value`` is restated, ``raw`` says what was given
        and ``qc`` is ``converted``; no other value is changed.
    """
    keys = ["station", "variable", "method"]
    found = readings.sort_values([*keys, "valid_time"], ignore_index=True)
    if found.empty:
        return found
    series = _Series(
        hours=(found["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR,
        value=found["value"].to_numpy("float64", copy=True),
        flag=found["qc"].to_numpy(dtype=object, copy=True),
        raw=found["raw"].to_numpy(dtype=object, copy=True),
    )
    starts = np.flatnonzero((found[keys] != found[keys].shift()).any(axis=1))
    names = found.loc[starts, ["station", "variable"]].itertuples(index=False)
    for start, end, (station, variable) in zip(
        starts, [*starts[1:], len(found)], names, strict=True
    ):
        one = series.part(slice(start, end))
        if variable == "stage":
            _stage(station, one)
        else:
            row = VARIABLES[variable]
            one.apply("range", Range(row.valid_min, row.valid_max))
            for name, check in RAIN if variable == "rain" else ():
                one.apply(name, check)
    return found.assign(value=series.value, qc=pd.array(series.flag, dtype="str"), raw=series.raw)


@dataclass(frozen=True)
class _Series:
    """Columns of one series, changed in place."""

    hours: Floats
    value: Floats
    flag: Objects
    raw: Objects

    def part(self, rows: slice) -> _Series:
        """Give views of some rows."""
        return _Series(self.hours[rows], self.value[rows], self.flag[rows], self.raw[rows])

    def apply(self, name: str, check: Check) -> None:
        """Flag what a check finds among the readings that none found before."""
        left = np.flatnonzero(np.isfinite(self.value) & np.isin(self.flag, [*USED, "absolute"]))
        self.flag[left[check.check(self.hours[left], self.value[left])]] = name


def _stage(station: str, series: _Series) -> None:
    gauge = stations().get(station)
    row = VARIABLES["stage"]
    warned = gauge is not None and (gauge.alarm_m is not None or gauge.flood_m is not None)
    highest = row.valid_max
    if gauge is not None and gauge.flood_m is not None:
        highest = gauge.flood_m + ABOVE_FLOOD_M
    limits = Range(row.valid_min, highest)
    if warned:  # a level above the sea would be taken for a flood
        series.flag[series.flag == "absolute"] = "range"
    known = np.isfinite(series.value)
    out = limits.check(series.hours, series.value) & np.isin(series.flag, USED)
    if not warned and 2 * np.count_nonzero(out & (series.value > highest)) > known.sum():
        series.flag[known & np.isin(series.flag, USED)] = "range"
        series.flag[out & (series.value > highest)] = "absolute"
    elif out.any():
        _restate(series, out, limits, zero_m_amsl=verified_zeros().get(station))
    for name, check in STAGE:
        series.apply(name, check)


def _restate(series: _Series, out: Bools, limits: Range, *, zero_m_amsl: float | None) -> None:
    """Restate stages given in cm or mm, or above the sea; flag the rest of ``out``.

    Another unit is believed where whole cm or mm continue the level of the last days, a level
    above the sea where the gauge's zero is verified and so high that nothing else fits.
    """
    hours, value = series.hours, series.value
    good = np.flatnonzero(~out & np.isfinite(value) & np.isin(series.flag, USED))
    last = -1
    for at in np.flatnonzero(out).tolist():
        before = good[: np.searchsorted(good, at)]
        last = max(last, int(before[-1]) if len(before) else -1)
        tried = []
        if last >= 0 and hours[at] - hours[last] <= 168.0 and value[at] == round(value[at]):
            drift = 0.5 + 0.5 * (hours[at] - hours[last]) / 24.0
            units = (value[at] / 100.0, value[at] / 1000.0)
            tried = [given for given in units if abs(given - value[last]) <= drift]
        if zero_m_amsl is not None and zero_m_amsl >= SEA_M:
            tried.append(value[at] - zero_m_amsl)
        tried = [given for given in tried if limits.lowest <= given <= limits.highest]
        if tried:
            series.raw[at] = f"{value[at]:g} m"
            value[at], series.flag[at], last = tried[0], "converted", at
        else:
            series.flag[at] = "range"


def best(flagged: pd.DataFrame) -> pd.DataFrame:
    """One reading per station, variable and time.

    A used one goes before a flagged one, then the method that comes first in ``METHODS``. Rain
    adds up, so of each day (to 00:00 UTC) only one method is taken, and of a sensor only days of
    which it reported nine tenths.

    Parameters
    ----------
    flagged
        As :func:`flagged` gives them.
    """
    keys = ["station", "variable"]
    sensor = (flagged["variable"] == "rain") & (flagged["method"] == "telemetry")
    several = flagged.groupby(keys)["method"].transform("nunique") > 1
    if not (several | sensor).any():
        return flagged
    rows = flagged[several | sensor]
    good = rows["qc"].isin(USED) & rows["value"].notna()
    rows = rows.assign(_rank=rows["method"].map(METHODS.index), _bad=~good)
    rain = rows["variable"] == "rain"
    if rain.any():
        rows = pd.concat([_days(rows[rain]), rows[~rain]])
    rows = rows.sort_values([*keys, "valid_time", "_bad", "_rank"])
    rows = rows.drop_duplicates([*keys, "valid_time"]).drop(columns=["_rank", "_bad"])
    rows = pd.concat([flagged[~(several | sensor)], rows])
    return rows.sort_values([*keys, "valid_time"], ignore_index=True)


def _days(rain: pd.DataFrame) -> pd.DataFrame:
    """Rain of the first method that has a whole day, day by day."""
    series = [rain["station"], rain["method"]]
    day = [*series, rain["valid_time"].dt.ceil("D")]
    usual = rain.groupby(series)["valid_time"].transform(lambda time: time.diff().median())
    seen = (~rain["_bad"]).groupby(day).transform("sum") * usual
    rain = rain[(rain["method"] != "telemetry") | (seen >= WHOLE_DAY)]
    day = [rain["station"], rain["valid_time"].dt.ceil("D")]
    first = rain["_rank"].where(~rain["_bad"]).groupby(day).transform("min")
    return rain[rain["_rank"] == first.fillna(rain["_rank"])]


def used(readings: pd.DataFrame) -> pd.DataFrame:
    """Keep the readings that may be used as they are: known, and flagged as one of ``USED``."""
    return readings[readings["value"].notna() & readings["qc"].isin(USED)]


def suspects(readings: pd.DataFrame, *, share: float = 0.2, least: int = 3) -> list[str]:
    """Say which gauges of the table had many of their readings flagged.

    Parameters
    ----------
    readings
        Flagged readings of the interval in question.
    share, least
        A gauge is named from this share of its readings on, if they are so many.

    Returns
    -------
    list of str
        One line per gauge, variable and method.
    """
    lines = []
    known = readings[readings["value"].notna() & readings["station"].isin(list(stations()))]
    for (code, variable, method), series in known.groupby(["station", "variable", "method"]):
        bad = series.loc[~series["qc"].isin([*USED, "absolute"]), "qc"].value_counts()
        if bad.sum() >= max(least, share * len(series)):
            why = ", ".join(f"{count} {name}" for name, count in bad.items())
            gauge = f"{stations()[str(code)].name} ({code})"
            lines.append(
                f"gauges: {gauge}: {bad.sum()} of {len(series)} {method} readings of {variable} "
                f"are suspect and left out ({why})"
            )
    return lines
