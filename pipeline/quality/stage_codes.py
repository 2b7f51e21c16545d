"""Stages and discharges that may mean missing: codes, and zeros of gauges never so low.

The file or the table of codes resolves most at read. Some values are a code in one unit and a stage
in another: 999 for missing in a file of centimetres is 9.99 m, at which Kratie stands twice a year,
and 99.9 m above the sea is 13.41 m at Pakse. The gauge's own readings decide on these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.gauge_limits import Limits
from pipeline.quality.level_shifts import Bools, Floats
from pipeline.quality.missing_codes import MISSING, STAGE_CODES

AS_STAGE = np.unique(
    [*STAGE_CODES, *(code * metres for code in MISSING for metres in (1.0, 0.01, 0.001))]
)
"""Stages, m, that a code gives in m, cm or mm. 8.88 m is a code only where the file has 888 cm."""
_AS_GIVEN = {f"{code:g}" for code in (*MISSING, *STAGE_CODES)}
LAST_H = 240.0
"""Greatest distance of readings that a value may continue, hours."""
DRIFT_M = 0.5
"""Greatest difference of a value from the level that it continues, m, and m per day."""
USUAL, ENOUGH = 0.99, 100
"""Or the quantile of the changes from reading to reading, where there are so many."""
FLOW_DRIFT = 1.25
"""Greatest factor between a discharge and those that it continues; without any within ``LAST_H``,
those are all of the gauge, if ``ENOUGH``."""
NEVER_BELOW_M = 2.0
"""Distance from zero within which the river must have been for a zero to be a stage, m."""


def find_codes(
    hours: Floats,
    value: Floats,
    limits: Limits,
    *,
    raw: NDArray[np.object_] | None = None,
    tide_m: float = 0.0,
) -> Bools:
    """Return which stages are codes for missing.

    Parameters
    ----------
    hours
        Times, hours, increasing, shape (n,).
    value
        Stages, m, no NaN, shape (n,).
    limits
        Limits of the gauge's record.
    raw
        Value in the file, as ``99.9 m amsl``; empty where it is the stage.
    tide_m
        Change of the tide between two readings, m.

    Examples
    --------
    >>> from pipeline.quality.gauge_limits import Limits
    >>> hours = 24.0 * np.arange(4)
    >>> find_codes(hours, np.array([9.7, 9.99, 10.2, 10.3]), Limits(0)).tolist()
    [False, False, False, False]
    >>> find_codes(hours, np.array([4.7, 9.99, 4.8, 0.0]), Limits(0)).tolist()
    [False, True, False, True]
    """
    code = _find_wrong_zeros(value, limits)
    nearest = AS_STAGE[np.clip(np.searchsorted(AS_STAGE, value), 0, len(AS_STAGE) - 1)]
    below = AS_STAGE[np.clip(np.searchsorted(AS_STAGE, value) - 1, 0, len(AS_STAGE) - 1)]
    maybe = (np.abs(nearest - value) < 1e-6) | (np.abs(below - value) < 1e-6)
    if raw is not None:
        maybe |= np.array([str(text).split(" ")[0] in _AS_GIVEN for text in raw], dtype=bool)
    sure = np.flatnonzero(~maybe & ~code)
    if not (maybe & ~code).any():
        return code
    changes = np.abs(np.diff(value[sure]))
    usual = float(np.quantile(changes, USUAL)) if len(changes) >= ENOUGH else 0.0
    usual = max(usual, tide_m)
    believed = -1
    for at in np.flatnonzero(maybe & ~code).tolist():
        after = int(np.searchsorted(sure, at))
        before = max(int(sure[after - 1]) if after else -1, believed)
        around = [before, int(sure[after]) if after < len(sure) else -1]
        near = [row for row in around if row >= 0]
        if _continues(hours, value, at, near, usual=usual, limits=limits):
            believed = at
        else:
            code[at] = True
    return code


def find_flow_codes(hours: Floats, flow: Floats) -> Bools:
    """Return which discharges are codes for missing: those that continue no reading around them.

    Parameters
    ----------
    hours
        Times, hours, increasing, shape (n,).
    flow
        Discharges, m3/s, no NaN, shape (n,).

    Examples
    --------
    >>> days = 24.0 * np.arange(4)
    >>> find_flow_codes(days, np.array([9966.0, 9999.0, 10032.0, 10100.0])).tolist()
    [False, False, False, False]
    >>> find_flow_codes(days, np.array([2100.0, 9999.0, 2150.0, 2160.0])).tolist()
    [False, True, False, False]
    """
    maybe = np.isin(flow, MISSING)
    sure = np.flatnonzero(~maybe)
    code = maybe.copy()
    for at in np.flatnonzero(maybe).tolist():
        after = int(np.searchsorted(sure, at))
        around = sure[max(after - 1, 0) : after + 1]
        near = flow[around[np.abs(hours[around] - hours[at]) <= LAST_H]]
        nearby = near if len(near) else flow[sure] if len(sure) >= ENOUGH else near
        if len(nearby):
            code[at] = not min(nearby) / FLOW_DRIFT <= flow[at] <= max(nearby) * FLOW_DRIFT
    return code


def _find_wrong_zeros(value: Floats, limits: Limits) -> Bools:
    """Return which exact zeros are no stage: those of a gauge never within 2 m of zero."""
    zero = value == 0.0
    if not zero.any():
        return np.asarray(zero)
    lowest = np.min(np.abs(value[~zero]), initial=np.inf)
    if np.isfinite(limits.lowest):
        lowest = min(lowest, max(limits.lowest, 0.0))
    elif zero.all():
        return np.zeros(len(value), dtype=np.bool_)
    return np.asarray(zero & (lowest > NEVER_BELOW_M))


def _continues(
    hours: Floats, value: Floats, at: int, around: list[int], *, usual: float, limits: Limits
) -> bool:
    """Return whether a value continues the readings around it or, without any, is in range."""
    near = [row for row in around if abs(hours[at] - hours[row]) <= LAST_H]
    if not near:
        metres, _ = limits.room
        return bool(limits.known and limits.lowest - metres <= value[at] <= limits.highest + metres)
    low, high = min(value[near]), max(value[near])
    days = min(abs(hours[at] - hours[row]) for row in near) / 24.0
    drift = max(DRIFT_M if len(near) > 1 else DRIFT_M * (1.0 + days), usual)
    return bool(low - drift <= value[at] <= high + drift)
