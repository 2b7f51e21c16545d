"""Stages and discharges that may stand for missing: codes, and zeros of gauges never so low.

Which number stands for missing the file says, or the table of codes at read. What is left are
values that are a code in one unit and a stage in another: 999 for missing in a file of centimetres
is 9.99 m, at which Kratie stands twice a year, and 99.9 m above the sea is 13.41 m at Pakse. The
gauge's own readings decide.
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
"""Stages that a code would be in m, and the codes of all variables in cm or mm. 8.88 m is a code
only where the file gave 888 cm."""
_AS_GIVEN = {f"{code:g}" for code in (*MISSING, *STAGE_CODES)}
LAST_H = 240.0
"""A value continues readings up to so long before or after it."""
DRIFT_M = 0.5
"""A value continues the level before if it is off by this, and this a day, at most."""
USUAL, ENOUGH = 0.99, 100
"""Or if it is off by no more than all but a hundredth of the changes from reading to reading."""
FLOW_DRIFT = 1.25
"""A discharge continues those around it within this factor; without any within ``LAST_H``, if all
of ``ENOUGH`` readings of the gauge are so."""
NEVER_BELOW_M = 2.0
"""Where the river has never been within this of zero, a zero is no stage."""


def find_codes(
    hours: Floats,
    value: Floats,
    limits: Limits,
    *,
    raw: NDArray[np.object_] | None = None,
    tide_m: float = 0.0,
) -> Bools:
    """Return which stages stand for missing.

    Parameters
    ----------
    hours
        Times, hours, increasing, shape (n,).
    value
        Stages, m, no NaN, shape (n,).
    limits
        What the gauge has shown before.
    raw
        What the file gave, as ``99.9 m amsl``; empty where it is the stage.
    tide_m
        Change that the tide makes between two readings.

    Examples
    --------
    >>> from pipeline.quality.gauge_limits import Limits
    >>> hours = 24.0 * np.arange(4)
    >>> find_codes(hours, np.array([9.7, 9.99, 10.2, 10.3]), Limits(0)).tolist()
    [False, False, False, False]
    >>> find_codes(hours, np.array([4.7, 9.99, 4.8, 0.0]), Limits(0)).tolist()
    [False, True, False, True]
    """
    code = _zeros(value, limits)
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
    """Return which discharges stand for missing: codes that go on from no reading around them.

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
        seen = near if len(near) else flow[sure] if len(sure) >= ENOUGH else near
        if len(seen):
            code[at] = not min(seen) / FLOW_DRIFT <= flow[at] <= max(seen) * FLOW_DRIFT
    return code


def _zeros(value: Floats, limits: Limits) -> Bools:
    """Return which exact zeros are no stage: those of a gauge that was never within 2 m of it."""
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
    """Whether a value goes on from the readings around it; without any, whether it is in range."""
    near = [row for row in around if abs(hours[at] - hours[row]) <= LAST_H]
    if not near:
        metres, _ = limits.room
        return bool(limits.known and limits.lowest - metres <= value[at] <= limits.highest + metres)
    low, high = min(value[near]), max(value[near])
    days = min(abs(hours[at] - hours[row]) for row in near) / 24.0
    drift = max(DRIFT_M if len(near) > 1 else DRIFT_M * (1.0 + days), usual)
    return bool(low - drift <= value[at] <= high + drift)
