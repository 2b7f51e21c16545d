"""Quality control of gauge readings: what each flag says, and which readings are used.

Nothing is deleted or overwritten: the tables keep every reading as it came, and the flags are made
anew on every read, from the readings known at the moment of the question alone. A flag stored at
ingest would either look ahead (a history read in one go knows the morning after) or depend on the
order of the files. So the newest reading is taken as it is unless it is impossible: whether it is a
spike can only be told by what follows, and a crest that is held back would be a flood that is
missed. But a newest reading beyond all that its gauge has shown before is ``unconfirmed``: it alone
puts no Warning in force, and the next reading, a neighbour or the forecast decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.geography.places import Station, stations
from pipeline.geography.variables import VARIABLES
from pipeline.quality import conflicts
from pipeline.quality.checks import (
    Blocked,
    Check,
    Downpour,
    Hampel,
    Jump,
    Range,
    Rate,
    Spike,
    Stuck,
)
from pipeline.quality.gauge_limits import Limits, gauge_records, limits_at
from pipeline.quality.level_shifts import Bools, Floats, Frozen
from pipeline.quality.missing_values import is_code
from pipeline.quality.neighbours import Witnesses

Objects = NDArray[np.object_]

METHODS = ("manual", "calculated", "telemetry")
"""How a value was got, in order of precedence: of several good values of one time the observer's
stands before one calculated from the day, and both before a sensor's."""
USED = ("good", "estimated", "converted", "shifted", "chosen")
"""Flags of the readings that forecasts, training and verification use."""
HELD = ("unconfirmed", "rate", "jump")
"""Flags of a newest reading on which the next one decides."""
FLAGS = (*USED, "absolute", "conflict", "code", "range", "spike", "stuck", *HELD)
"""``estimated``, ``shifted`` (a stamp put right) and ``conflict`` come from the file; ``chosen`` is
the value that is used of several that stood for one time, ``conflict`` the others, or all of them
where they lie on both sides of a mark; ``absolute`` is a level above the sea at a gauge without
zero and thresholds: its changes count, the level does not; ``code`` is a number that stands for
missing."""
CONTEXT = timedelta(days=45)
"""Readings before an interval that its flags depend on: longer than any check looks back."""
_HOUR = np.timedelta64(3600, "s")
_DAILY = Spike()
_CLOSE = Spike(up_m=0.3, down_m=0.3, alone=2.0, nearest_h=0.0, farthest_h=1.5)
FLASHY_YEARS, FLASHY_SHARE = 4, 0.1
"""A gauge that peaks for one reading in so many years, and so great a share of them, is flashy."""
RAIN: tuple[tuple[str, Check], ...] = (
    ("range", Downpour()), ("stuck", Stuck(close_h=6.0, apart_h=96.0, least=1.0)),
    ("stuck", Blocked()),
)  # fmt: skip
"""Checks of rain; the same 1 mm or more on five days is a copied cell."""
ABOVE_FLOOD_M = 5.0
"""No reading of 1960-2018 at a gauge of the table is as much above its flood stage."""
WHOLE_DAY = pd.Timedelta(hours=21.6)
"""A sensor's day of rain counts from nine tenths on: a sum over gaps would be too low."""
TIDAL_BASIN, TIDE_M, DRY_TIDE_M = "delta", 3.0, 1.5
"""Change of the tide within hours: at the tidal gauges, and where it shows in the dry season."""
SAME_RIVER_H = 168.0
"""A level tells what to expect for so long."""
SEA_M = 20.0
"""A gauge whose zero is higher than this above the sea cannot read its level for its stage."""


def flagged(readings: pd.DataFrame, limits: Mapping[str, Limits] | None = None) -> pd.DataFrame:
    """Flag readings by what is known from them, and of their gauges, alone.

    Parameters
    ----------
    readings
        Canonical readings (station, variable, method, valid_time, value, unit, qc, raw): all that
        were known at a moment; of one station, variable, method and time several where files
        disagree.
    limits
        What each gauge has shown before; by default in these readings.

    Returns
    -------
    pandas.DataFrame
        The same rows, by series and time, with ``qc`` from ``FLAGS`` and ``settled``, the moment
        (naive UTC) from which on the reading is used, or left out, as it is. Where a stage was
        plainly given in another unit or above the sea, ``value`` is restated, ``raw`` says what was
        given and ``qc`` is ``converted``; no other value is changed.
    """
    keys = ["station", "variable", "method"]
    found = readings.sort_values([*keys, "valid_time"], ignore_index=True, kind="stable")
    if found.empty:
        return found.assign(settled=found["valid_time"])
    stages = found[(found["variable"] == "stage") & found["value"].notna()]
    once = stages[~stages.duplicated([*keys, "valid_time"], keep=False)]
    if limits is None:
        limits = limits_at(gauge_records(once[once["qc"].isin(USED)]))
    witnesses = Witnesses(_by_series(once))
    found = conflicts.choose(found, witnesses)
    hours = (found["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR
    series = _Series(
        hours=hours,
        value=found["value"].to_numpy("float64", copy=True),
        flag=found["qc"].to_numpy(dtype=object, copy=True),
        raw=found["raw"].to_numpy(dtype=object, copy=True),
        settled=hours.copy(),
        unfound=(found["qc"].isin([*USED, "absolute"]) & found["value"].notna()).to_numpy().copy(),
    )
    starts = np.flatnonzero((found[keys] != found[keys].shift()).any(axis=1))
    names = found.loc[starts, keys].itertuples(index=False)
    for start, end, (station, variable, method) in zip(
        starts, [*starts[1:], len(found)], names, strict=True
    ):
        one = series.part(slice(start, end))
        if variable == "stage":
            _stage(station, method, one, limits.get(station, Limits(0)), witnesses)
        else:
            row = VARIABLES[variable]
            one.apply("range", Range(row.valid_min, row.valid_max))
            for name, check in RAIN if variable == "rain" else ():
                one.apply(name, check)
    seconds = np.round(series.settled * 3600.0).astype("timedelta64[s]")
    return found.assign(
        value=series.value,
        qc=pd.array(series.flag, dtype="str"),
        raw=series.raw,
        settled=(np.datetime64(0, "s") + seconds).astype("datetime64[ns]"),
    )


def _by_series(stages: pd.DataFrame) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Collect times (hours) and stages of each station and method that no file doubts."""
    rows = stages[stages["qc"].isin(USED)]
    hours = (rows["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR
    value = rows["value"].to_numpy("float64")
    grouped = rows.reset_index(drop=True).groupby(["station", "method"])
    return {
        (str(key[0]), str(key[1])): (hours[one.index], value[one.index])
        for key, one in grouped["value"]
    }


@dataclass(frozen=True)
class _Series:
    """Columns of one series, changed in place."""

    hours: Floats
    value: Floats
    flag: Objects
    raw: Objects
    settled: Floats
    unfound: Bools

    def part(self, rows: slice) -> _Series:
        """Give views of some rows."""
        return _Series(
            hours=self.hours[rows],
            value=self.value[rows],
            flag=self.flag[rows],
            raw=self.raw[rows],
            settled=self.settled[rows],
            unfound=self.unfound[rows],
        )

    def left(self) -> NDArray[np.int64]:
        """Rows that no check has found so far."""
        return np.flatnonzero(self.unfound)

    def set(self, name: str, rows: NDArray[np.int64] | Bools) -> None:
        """Give rows a flag."""
        self.flag[rows] = name
        self.unfound[rows] = name in {*USED, "absolute"}

    def apply(self, name: str, check: Check) -> None:
        """Flag what a check finds among the readings that none found before."""
        left = self.left()
        self.put(name, left, check.check(self.hours[left], self.value[left]))

    def put(self, name: str, left: NDArray[np.int64], faulty: Bools) -> None:
        """Flag the faulty ones of some rows; settled once a reading that is not follows."""
        bad = left[faulty]
        if not len(bad):
            return
        self.set(name, bad)
        good = np.append(self.hours[left[~faulty]], np.inf)
        after = good[np.searchsorted(good, self.hours[bad])]
        self.settled[bad] = np.where(np.isfinite(after), after, self.hours[-1])


def _stage(
    station: str, method: str, series: _Series, limits: Limits, witnesses: Witnesses
) -> None:
    gauge = stations().get(station)
    row = VARIABLES["stage"]
    warned = gauge is not None and (gauge.alarm_m is not None or gauge.flood_m is not None)
    highest = row.valid_max
    if gauge is not None and gauge.flood_m is not None:
        highest = gauge.flood_m + ABOVE_FLOOD_M
        if limits.known:
            highest = max(highest, limits.highest + limits.room[0])
    within = Range(row.valid_min, highest)
    if warned:  # a level above the sea would be taken for a flood
        series.set("range", series.flag == "absolute")
    left = series.left()
    code = is_code(
        series.hours[left], series.value[left], limits, raw=series.raw[left], tide_m=_tide_m(gauge)
    )
    series.set("code", left[code])
    known = np.isfinite(series.value) & (series.flag != "code")
    stage = series.unfound & (series.flag != "absolute")
    out = within.check(series.hours, series.value) & stage
    if not warned and 2 * np.count_nonzero(out & (series.value > highest)) > known.sum():
        series.set("range", stage)
        series.set("absolute", out & (series.value > highest))
    elif out.any():
        _restate(series, out, within, zero_m_amsl=verified_zeros().get(station))
    _spikes(series)
    series.apply("stuck", Stuck())
    _steps(station, method, series, witnesses)
    series.apply("stuck", Frozen())
    beyond = partial(
        limits.outside,
        flood_m=None if gauge is None else gauge.flood_m,
        tide_m=_tide_m(gauge),
    )
    _newest(station, method, series, beyond, witnesses)


def _tide_m(gauge: Station | None) -> float:
    """Change that the tide makes within hours at a gauge, m."""
    if gauge is None or gauge.basin != TIDAL_BASIN:
        return 0.0
    return TIDE_M if gauge.tidal else DRY_TIDE_M


def _spikes(series: _Series) -> None:
    """Flag what stands alone; peaks of one reading are water where the gauge has them often."""
    left = series.left()
    hours, value = series.hours[left], series.value[left]
    faulty = _DAILY.check(hours, value)
    at = np.flatnonzero(faulty)
    peaks = at[value[at] > value[at - 1]]
    years = len(np.unique(hours[peaks] // 8766.0))
    if years >= FLASHY_YEARS and years >= FLASHY_SHARE * np.ptp(hours) / 8766.0:
        faulty[peaks] = False
    series.put("spike", left, faulty)
    series.apply("spike", _CLOSE)
    series.apply("spike", Hampel())
    spikes = series.flag == "spike"
    # Of a spike the readings of a day or two tell, and it is one in their light alone.
    series.settled[spikes] = np.maximum(series.settled, series.hours + 48.0)[spikes]


def _steps(station: str, method: str, series: _Series, witnesses: Witnesses) -> None:
    """Follow steps that no river makes: undone, or water, or not decided yet."""
    for name, check in (("rate", Rate()), ("jump", Jump())):
        left = series.left()
        hours, value = series.hours[left], series.value[left]

        def agreed(start: int, hours: Floats = hours, value: Floats = value) -> bool | None:
            before, after = ((float(hours[at]), float(value[at])) for at in (start - 1, start))
            return witnesses.agree(station, method, before=before, after=after)

        course = check.course(hours, value, agreed)
        doubted = np.isfinite(course.doubted_h)
        series.settled[left[doubted]] = course.doubted_h[doubted]
        series.put(name, left, course.faulty)


def _newest(
    station: str,
    method: str,
    series: _Series,
    beyond: Callable[[Floats, Floats, Floats], Bools],
    witnesses: Witnesses,
) -> None:
    """Flag the newest reading where it is beyond what its gauge has shown before, and alone.

    The reading before it is a spike if it was beyond as well and the newest takes half of it back.
    """
    left = series.left()
    if len(left) < 2:
        return
    hours, value = series.hours[left], series.value[left]
    out = beyond(value[:-1], value[1:], np.diff(hours))
    # Each was the newest once, and held until the next one came.
    doubted = left[1:-1][out[:-1]]
    series.settled[doubted] = np.maximum(series.settled[doubted], hours[2:][out[:-1]])

    def alone(before: int, after: int) -> bool:
        seen = [(float(hours[at]), float(value[at])) for at in (before, after)]
        return not witnesses.agree(station, method, before=seen[0], after=seen[1])

    last, base = len(left) - 1, len(left) - 2
    if base > 0 and out[-2]:
        kept = (value[last] - value[base - 1]) / (value[base] - value[base - 1])
        if kept < 0.5 and alone(base - 1, base):
            series.set("spike", left[base:last])
            base -= 1
    step = slice(base, base + 1)
    newest_out = beyond(value[step], value[last:], hours[last:] - hours[step])
    if newest_out[0] and alone(base, last):
        series.set("unconfirmed", left[last:])


def _restate(series: _Series, out: Bools, limits: Range, *, zero_m_amsl: float | None) -> None:
    """Restate stages given in cm or mm, or above the sea; flag the rest of ``out``.

    Another unit is believed where whole cm or mm continue the level of the last days, a level
    above the sea where the gauge's zero is verified and so high that nothing else fits, and the
    level moves as the river does: a number that repeats itself is a code.
    """
    hours, value = series.hours, series.value
    good = np.flatnonzero(~out & series.unfound & (series.flag != "absolute"))
    last = -1
    above_sea = np.zeros(len(value), dtype=np.bool_)
    if zero_m_amsl is not None and zero_m_amsl >= SEA_M:
        stage = np.where(out, value - zero_m_amsl, value)
        above_sea[out] = _moves(hours, stage, np.sort(np.append(good, np.flatnonzero(out))))[out]
    for at in np.flatnonzero(out).tolist():
        before = good[: np.searchsorted(good, at)]
        last = max(last, int(before[-1]) if len(before) else -1)
        tried = []
        if last >= 0 and hours[at] - hours[last] <= SAME_RIVER_H and value[at] == round(value[at]):
            drift = _drift_m(hours[at] - hours[last])
            units = (value[at] / 100.0, value[at] / 1000.0)
            tried = [given for given in units if abs(given - value[last]) <= drift]
        if zero_m_amsl is not None and above_sea[at]:
            tried.append(value[at] - zero_m_amsl)
        tried = [given for given in tried if limits.lowest <= given <= limits.highest]
        if tried:
            series.raw[at] = f"{value[at]:g} m"
            value[at], series.flag[at], last = tried[0], "converted", at
        else:
            series.set("range", np.array([at]))


def _drift_m(apart_h: float) -> float:
    """How far a level may be from another that it continues."""
    return 0.5 + 0.5 * apart_h / 24.0


def _moves(hours: Floats, stage: Floats, rows: NDArray[np.int64]) -> Bools:
    """Tell which stages continue, or are continued by, the nearest one of another value."""
    found = np.zeros(len(stage), dtype=np.bool_)
    runs = np.split(rows, np.flatnonzero(np.diff(stage[rows])) + 1)
    for before, after in pairwise(runs):
        at, to = before[-1], after[0]
        apart_h = hours[to] - hours[at]
        if apart_h <= SAME_RIVER_H and abs(stage[to] - stage[at]) <= _drift_m(apart_h):
            found[before] = found[after] = True
    return found


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
    several |= flagged.duplicated([*keys, "valid_time"], keep=False)
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
    """Say which gauges of the table had many of their readings flagged, and where files disagree.

    Parameters
    ----------
    readings
        Flagged readings of the interval in question.
    share, least
        A gauge is named from this share of its readings on, if they are so many.

    Returns
    -------
    list of str
        One line per conflict, and per gauge, variable and method.
    """
    lines = conflicts.told(readings)
    named = ("absolute", "conflict", "code")
    known = readings[readings["value"].notna() & readings["station"].isin(list(stations()))]
    for (code, variable, method), series in known.groupby(["station", "variable", "method"]):
        bad = series.loc[~series["qc"].isin([*USED, *named]), "qc"].value_counts()
        if bad.sum() >= max(least, share * len(series)):
            why = ", ".join(f"{count} {name}" for name, count in bad.items())
            gauge = f"{stations()[str(code)].name} ({code})"
            lines.append(
                f"gauges: {gauge}: {bad.sum()} of {len(series)} {method} readings of {variable} "
                f"are suspect and left out ({why})"
            )
    return lines
