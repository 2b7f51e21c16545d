"""Quality flags of gauge readings: their meaning, and how the checks set them.

The tables keep every reading as it came; the flags are computed on every read from the readings
known at the issue time. Flags stored at ingest would look ahead (a history read at once contains
later readings) or depend on the order of the files. So the newest reading is used unless it is
impossible: only later readings can show that it is a spike, and holding back a crest would miss a
flood. A newest reading beyond the gauge's record is ``unconfirmed``: it alone puts no Warning in
force, and the next reading, a neighbour or the forecast decides.
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
from pipeline.quality.gauge_limits import Limits, collect_records, limits_as_of
from pipeline.quality.level_shifts import Bools, Floats, FrozenSensor
from pipeline.quality.neighbours import AuxiliaryReadings
from pipeline.quality.stage_codes import find_codes, find_flow_codes

Objects = NDArray[np.object_]

USED = ("good", "estimated", "converted", "shifted", "chosen")
"""Flags of the readings that forecasts, training and verification use."""
HELD = ("unconfirmed", "rate", "jump")
"""Flags of a newest reading that the next reading confirms or refutes."""
FLAGS = (*USED, "absolute", "conflict", "code", "range", "spike", "stuck", "missing", *HELD)
"""``estimated``, ``shifted`` (a corrected time stamp) and ``conflict`` come from the file;
``chosen`` is the value used of several for one time, ``conflict`` the others, or all of them where
they lie on both sides of a threshold; ``absolute`` is a level above the sea at a gauge without zero
and thresholds: its changes are used, the level is not; ``code`` is a number that means missing;
``missing`` is a reading that its agency withdrew, without a value."""
CONTEXT = timedelta(days=45)
"""Look-back needed before an interval: longer than the window of any check."""
_HOUR = np.timedelta64(3600, "s")
_DAILY_SPIKE = Spike()
_CLOSE_SPIKE = Spike(up_m=0.3, down_m=0.3, factor=2.0, nearest_h=0.0, farthest_h=1.5)
FLASHY_YEARS, FLASHY_SHARE = 4, 0.1
"""Number and share of years with a peak of one reading from which a gauge is flashy."""
RAIN: tuple[tuple[str, Check], ...] = (
    ("range", Downpour()), ("stuck", Stuck(close_h=6.0, apart_h=96.0, least=1.0)),
    ("stuck", Blocked()),
)  # fmt: skip
"""Checks of rain; the same 1 mm or more on five days is a copied cell."""
ABOVE_FLOOD_M = 5.0
"""Range above flood stage; no reading of 1960-2018 at a gauge of the table exceeds it."""
TIDAL_BASIN, TIDE_M, DRY_TIDE_M = "delta", 3.0, 1.5
"""Change of the tide within hours: at the tidal gauges, and where it shows in the dry season."""
SAME_RIVER_H = 168.0
"""Longest time over which a level predicts a later one, hours."""
SEA_M = 20.0
"""Height of a gauge's zero above the sea from which a level is never mistaken for a stage, m."""


def flag(readings: pd.DataFrame, limits: Mapping[str, Limits] | None = None) -> pd.DataFrame:
    """Set quality flags from the readings and the gauges' records, without look-ahead.

    Parameters
    ----------
    readings
        Canonical readings (station, variable, method, valid_time, value, unit, qc, raw): all that
        were known at a moment; of one station, variable, method and time several where files
        disagree.
    limits
        Range and fastest changes in each gauge's record; by default of these readings.

    Returns
    -------
    pandas.DataFrame
        The same rows, by series and time, with ``qc`` from ``FLAGS`` and ``settled``, the time
        (naive UTC) from which the reading is used, or left out, as it is now. Where a stage was
        plainly given in another unit or above the sea, ``value`` is converted, ``raw`` holds the
        given value and ``qc`` is ``converted``; no other value is changed.
    """
    keys = ["station", "variable", "method"]
    rows = readings.sort_values([*keys, "valid_time"], ignore_index=True, kind="stable")
    if rows.empty:
        return rows.assign(settled=rows["valid_time"])
    stages = rows[(rows["variable"] == "stage") & rows["value"].notna()]
    unique_stages = stages[~stages.duplicated([*keys, "valid_time"], keep=False)]
    if limits is None:
        limits = limits_as_of(collect_records(unique_stages[unique_stages["qc"].isin(USED)]))
    auxiliary = AuxiliaryReadings(_by_series(unique_stages))
    rows = conflicts.choose_values(rows, auxiliary)
    hours = (rows["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR
    series = _Series(
        hours=hours,
        value=rows["value"].to_numpy("float64", copy=True),
        flag=rows["qc"].to_numpy(dtype=object, copy=True),
        raw=rows["raw"].to_numpy(dtype=object, copy=True),
        settled=hours.copy(),
        unflagged=(rows["qc"].isin([*USED, "absolute"]) & rows["value"].notna()).to_numpy().copy(),
    )
    starts = np.flatnonzero((rows[keys] != rows[keys].shift()).any(axis=1))
    names = rows.loc[starts, keys].itertuples(index=False)
    for start, end, (station, variable, method) in zip(
        starts, [*starts[1:], len(rows)], names, strict=True
    ):
        gauge_series = series.part(slice(start, end))
        if variable == "stage":
            _flag_stages(station, method, gauge_series, limits.get(station, Limits(0)), auxiliary)
        else:
            row = VARIABLES[variable]
            if variable == "discharge":
                unflagged = gauge_series.unflagged_rows()
                flow_hours, flow = gauge_series.hours[unflagged], gauge_series.value[unflagged]
                gauge_series.put("code", unflagged, find_flow_codes(flow_hours, flow))
            gauge_series.apply("range", Range(row.valid_min, row.valid_max))
            for name, check in RAIN if variable == "rain" else ():
                gauge_series.apply(name, check)
    seconds = np.round(series.settled * 3600.0).astype("timedelta64[s]")
    return rows.assign(
        value=series.value,
        qc=pd.array(series.flag, dtype="str"),
        raw=series.raw,
        settled=(np.datetime64(0, "s") + seconds).astype("datetime64[ns]"),
    )


def _by_series(stages: pd.DataFrame) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Collect times (hours) and used stages of each station and method."""
    rows = stages[stages["qc"].isin(USED)]
    hours = (rows["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR
    value = rows["value"].to_numpy("float64")
    grouped = rows.reset_index(drop=True).groupby(["station", "method"])
    return {
        (str(key[0]), str(key[1])): (hours[series.index], value[series.index])
        for key, series in grouped["value"]
    }


@dataclass(frozen=True)
class _Series:
    """Columns of one series, changed in place."""

    hours: Floats
    value: Floats
    flag: Objects
    raw: Objects
    settled: Floats
    unflagged: Bools

    def part(self, rows: slice) -> _Series:
        """Return views of some rows."""
        return _Series(
            hours=self.hours[rows],
            value=self.value[rows],
            flag=self.flag[rows],
            raw=self.raw[rows],
            settled=self.settled[rows],
            unflagged=self.unflagged[rows],
        )

    def unflagged_rows(self) -> NDArray[np.int64]:
        """Return the rows that no check has flagged so far."""
        return np.flatnonzero(self.unflagged)

    def set(self, name: str, rows: NDArray[np.int64] | Bools) -> None:
        """Set the flag of rows."""
        self.flag[rows] = name
        self.unflagged[rows] = name in {*USED, "absolute"}

    def apply(self, name: str, check: Check) -> None:
        """Apply a check to the readings without a flag, and flag the faulty ones."""
        rows = self.unflagged_rows()
        self.put(name, rows, check.check(self.hours[rows], self.value[rows]))

    def put(self, name: str, rows: NDArray[np.int64], faulty: Bools) -> None:
        """Flag the faulty ones of some rows; they are settled at the next reading that is not."""
        bad = rows[faulty]
        if not len(bad):
            return
        self.set(name, bad)
        good = np.append(self.hours[rows[~faulty]], np.inf)
        after = good[np.searchsorted(good, self.hours[bad])]
        self.settled[bad] = np.where(np.isfinite(after), after, self.hours[-1])


def _flag_stages(
    station: str, method: str, series: _Series, limits: Limits, auxiliary: AuxiliaryReadings
) -> None:
    """Flag the stages of one series; each check sees the readings that no earlier one flagged."""
    gauge = stations().get(station)
    row = VARIABLES["stage"]
    has_thresholds = gauge is not None and (gauge.alarm_m is not None or gauge.flood_m is not None)
    highest = row.valid_max
    if gauge is not None and gauge.flood_m is not None:
        highest = gauge.flood_m + ABOVE_FLOOD_M
        if limits.known:
            highest = max(highest, limits.highest + limits.room[0])
    possible = Range(row.valid_min, highest)
    if has_thresholds:  # a level above the sea would look like a flood
        series.set("range", series.flag == "absolute")
    rows = series.unflagged_rows()
    code = find_codes(
        series.hours[rows], series.value[rows], limits, raw=series.raw[rows], tide_m=_tide_m(gauge)
    )
    series.set("code", rows[code])
    is_stage = np.isfinite(series.value) & (series.flag != "code")
    stage = series.unflagged & (series.flag != "absolute")
    out = possible.check(series.hours, series.value) & stage
    if not has_thresholds and 2 * np.count_nonzero(out & (series.value > highest)) > is_stage.sum():
        series.set("range", stage)
        series.set("absolute", out & (series.value > highest))
    elif out.any():
        _convert_stages(series, out, possible, zero_m_amsl=verified_zeros().get(station))
    _flag_spikes(series)
    series.apply("stuck", Stuck())
    _flag_shifts(station, method, series, auxiliary)
    series.apply("stuck", FrozenSensor())
    outside = partial(
        limits.outside,
        flood_m=None if gauge is None else gauge.flood_m,
        tide_m=_tide_m(gauge),
    )
    _flag_newest(station, method, series, outside, auxiliary)


def _tide_m(gauge: Station | None) -> float:
    """Return the change of the tide within hours at a gauge, m."""
    if gauge is None or gauge.basin != TIDAL_BASIN:
        return 0.0
    return TIDE_M if gauge.tidal else DRY_TIDE_M


def _flag_spikes(series: _Series) -> None:
    """Flag spikes; peaks of one reading are real where the gauge has them in many years."""
    rows = series.unflagged_rows()
    hours, value = series.hours[rows], series.value[rows]
    faulty = _DAILY_SPIKE.check(hours, value)
    at = np.flatnonzero(faulty)
    peaks = at[value[at] > value[at - 1]]
    years = len(np.unique(hours[peaks] // 8766.0))
    if years >= FLASHY_YEARS and years >= FLASHY_SHARE * np.ptp(hours) / 8766.0:
        faulty[peaks] = False
    series.put("spike", rows, faulty)
    series.apply("spike", _CLOSE_SPIKE)
    series.apply("spike", Hampel())
    spikes = series.flag == "spike"
    # A spike is one in the light of the readings of the next two days alone.
    series.settled[spikes] = np.maximum(series.settled, series.hours + 48.0)[spikes]


def _flag_shifts(station: str, method: str, series: _Series, auxiliary: AuxiliaryReadings) -> None:
    """Flag level shifts that no river makes, until they are undone or prove real."""
    for name, check in (("rate", Rate()), ("jump", Jump())):
        rows = series.unflagged_rows()
        hours, value = series.hours[rows], series.value[rows]

        def evidence(start: int, hours: Floats = hours, value: Floats = value) -> bool | None:
            before, after = ((float(hours[at]), float(value[at])) for at in (start - 1, start))
            return auxiliary.support(station, method, before=before, after=after)

        shifts = check.track(hours, value, evidence)
        doubted = np.isfinite(shifts.doubted_h)
        series.settled[rows[doubted]] = shifts.doubted_h[doubted]
        series.put(name, rows, shifts.faulty)


def _flag_newest(
    station: str,
    method: str,
    series: _Series,
    outside: Callable[[Floats, Floats, Floats], Bools],
    auxiliary: AuxiliaryReadings,
) -> None:
    """Flag the newest reading where it is beyond the gauge's record and nothing supports it.

    The reading before it is a spike if it was beyond as well and the newest takes half of it back.
    """
    rows = series.unflagged_rows()
    if len(rows) < 2:
        return
    hours, value = series.hours[rows], series.value[rows]
    out = outside(value[:-1], value[1:], np.diff(hours))
    # Each of these was the newest once, and unconfirmed until the next one came.
    doubted = rows[1:-1][out[:-1]]
    series.settled[doubted] = np.maximum(series.settled[doubted], hours[2:][out[:-1]])

    def alone(before: int, after: int) -> bool:
        pair = [(float(hours[at]), float(value[at])) for at in (before, after)]
        return not auxiliary.support(station, method, before=pair[0], after=pair[1])

    newest, previous = len(rows) - 1, len(rows) - 2
    if previous > 0 and out[-2]:
        share = (value[newest] - value[previous - 1]) / (value[previous] - value[previous - 1])
        if share < 0.5 and alone(previous - 1, previous):
            series.set("spike", rows[previous:newest])
            previous -= 1
    step = slice(previous, previous + 1)
    newest_out = outside(value[step], value[newest:], hours[newest:] - hours[step])
    if newest_out[0] and alone(previous, newest):
        series.set("unconfirmed", rows[newest:])


def _convert_stages(
    series: _Series, out: Bools, limits: Range, *, zero_m_amsl: float | None
) -> None:
    """Convert stages given in cm or mm, or above the sea; flag the others of ``out``.

    Another unit is accepted where whole cm or mm continue the level of the last days, a level
    above the sea where the gauge's zero is verified and so high that nothing else fits, and the
    level moves as the river does: a number that repeats is a code.
    """
    hours, value = series.hours, series.value
    good = np.flatnonzero(~out & series.unflagged & (series.flag != "absolute"))
    previous = -1
    above_sea = np.zeros(len(value), dtype=np.bool_)
    if zero_m_amsl is not None and zero_m_amsl >= SEA_M:
        stage = np.where(out, value - zero_m_amsl, value)
        above_sea[out] = _moves(hours, stage, np.sort(np.append(good, np.flatnonzero(out))))[out]
    for at in np.flatnonzero(out).tolist():
        before = good[: np.searchsorted(good, at)]
        previous = max(previous, int(before[-1]) if len(before) else -1)
        candidates = []
        if (
            previous >= 0
            and hours[at] - hours[previous] <= SAME_RIVER_H
            and value[at] == round(value[at])
        ):
            drift = _drift_m(hours[at] - hours[previous])
            units = (value[at] / 100.0, value[at] / 1000.0)
            candidates = [stage_m for stage_m in units if abs(stage_m - value[previous]) <= drift]
        if zero_m_amsl is not None and above_sea[at]:
            candidates.append(value[at] - zero_m_amsl)
        candidates = [
            stage_m for stage_m in candidates if limits.lowest <= stage_m <= limits.highest
        ]
        if candidates:
            series.raw[at] = f"{value[at]:g} m"
            value[at], series.flag[at], previous = candidates[0], "converted", at
        else:
            series.set("range", np.array([at]))


def _drift_m(apart_h: float) -> float:
    """Return the largest distance of a level from one that it continues, m."""
    return 0.5 + 0.5 * apart_h / 24.0


def _moves(hours: Floats, stage: Floats, rows: NDArray[np.int64]) -> Bools:
    """Return which stages continue, or are continued by, the nearest one of another value."""
    moving = np.zeros(len(stage), dtype=np.bool_)
    runs = np.split(rows, np.flatnonzero(np.diff(stage[rows])) + 1)
    for before, after in pairwise(runs):
        at, to = before[-1], after[0]
        apart_h = hours[to] - hours[at]
        if apart_h <= SAME_RIVER_H and abs(stage[to] - stage[at]) <= _drift_m(apart_h):
            moving[before] = moving[after] = True
    return moving
