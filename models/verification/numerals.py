"""Numbers and intervals as text of the report."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from models.verification.bootstrap import Interval


def format_number(value: float, digits: int = 2) -> str:
    """Format a number with a true minus sign; a dash where it is NaN.

    Examples
    --------
    >>> format_number(-0.304), format_number(-0.001), format_number(float("nan"))
    ('−0.30', '0.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def format_interval(score: Interval) -> str:
    """Format a score with its interval, where it has one, as HTML."""
    if not np.isfinite(score.low) or score.low == score.high:
        return format_number(score.value)
    span = f"{format_number(score.low)} to {format_number(score.high)}"
    return Markup("{} <span class='small'>({})</span>").format(format_number(score.value), span)
