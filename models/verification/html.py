"""Pieces of the report's HTML: style, tables, numbers and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from models.verification.bootstrap import Interval

CSS = """
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;margin:0 auto;max-width:72rem;padding:1rem}
h1{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}
.origin{padding:.8rem 1rem;font-size:1.3rem;font-weight:700;border-radius:.3rem}
.virtual{background:#a61c00;color:#fff}.measured{background:#e6efe0;border:1px solid #38761d}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin:.6rem 0}
th,td{padding:.2rem .55rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid #888}
.best{font-weight:700}.small{font-size:.8rem;color:#555;font-weight:400}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr));gap:1rem}
svg{width:100%;height:auto}.wide{max-width:44rem}
@media print{body{max-width:none}.charts{grid-template-columns:repeat(3,1fr)}}
"""


def render_table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Render a table that scrolls by itself on a narrow screen; cells are HTML."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body]
    return (
        f"<div class='scroll'><table><thead><tr>{top}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


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
    """Format a score with its interval, where it has one."""
    if not np.isfinite(score.low) or score.low == score.high:
        return format_number(score.value)
    span = f"{format_number(score.low)} to {format_number(score.high)}"
    return f"{format_number(score.value)} <span class='small'>({span})</span>"
