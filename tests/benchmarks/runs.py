"""Earlier runs of the benchmarks: their table, docs/performance.csv, and the curve of each work."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from textwrap import fill

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from tests.benchmarks.measure import ROOT

TABLE = ROOT / "docs" / "performance.csv"
CURVES = ROOT / "docs" / "performance.svg"
SHOWN = 20
"""Runs that the curves show."""
PANELS_A_ROW = 4
SLOWER = 1.2
"""Times the median of the runs before from which the last run is called slower."""


def add_run(table: Path, seconds: Mapping[str, float], *, one_pass: float, day: date) -> None:
    """Add a run of the checked-out commit to a table.

    Parameters
    ----------
    table
        CSV with columns commit, date, one_pass_gb_s, work, seconds; made where there is none.
    seconds
        Time of each work (s).
    one_pass
        Speed of one pass over an array in memory (bytes/s), by which machines are compared.
    day
        Date of the run.
    """
    command = ("git", "rev-parse", "--short", "HEAD")
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = pd.DataFrame(
        {
            "commit": commit.stdout.strip(),
            "date": day.isoformat(),
            "one_pass_gb_s": round(one_pass / 1e9, 1),
            "work": list(seconds),
            "seconds": [float(f"{time:.3g}") for time in seconds.values()],
        }
    )
    before = [pd.read_csv(table)] if table.exists() else []
    pd.concat([*before, rows]).to_csv(table, index=False)


def read_passes(table: Path) -> pd.DataFrame:
    """Read the times of a table, in the time of one pass over 1 GB, by run (rows) and work."""
    runs = pd.read_csv(table, dtype={"commit": str})
    passes = runs.assign(passes=runs["seconds"] * runs["one_pass_gb_s"])
    order = passes[["date", "commit"]].drop_duplicates()
    # Several runs of a commit on one day count as their mean.
    by_work = passes.pivot_table(index=["date", "commit"], columns="work", values="passes")
    return by_work.loc[pd.MultiIndex.from_frame(order), passes["work"].unique()]


def list_slower(passes: pd.DataFrame) -> dict[str, float]:
    """List the works whose last run took longer than before, with how many times the median.

    Examples
    --------
    >>> list_slower(pd.DataFrame({"read": [2.0, 2.1, 2.0, 3.0], "write": [1.0, 1.1, 1.0, 1.1]}))
    {'read': 1.5}
    """
    before = passes.iloc[:-1].median()
    times = (passes.iloc[-1] / before).round(2)
    return {str(work): float(ratio) for work, ratio in times[times > SLOWER].items()}


def plot_curves(passes: pd.DataFrame, path: Path) -> None:
    """Draw how long each work took in each run, as SVG with the same bytes for the same runs."""
    recent = passes.tail(SHOWN)
    rows = -(-len(recent.columns) // PANELS_A_ROW)
    figure = Figure(figsize=(12, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, PANELS_A_ROW, squeeze=False).ravel()
    labels = [commit for _, commit in recent.index]
    for panel, (work, times) in zip(panels, recent.items(), strict=False):
        panel.plot(range(len(times)), times.to_numpy(), "o-", color="#0072b2", markersize=4)
        panel.set_title(fill(str(work), 38), fontsize=8, loc="left")
        panel.set_ylim(0, 1.25 * times.max())
        panel.set_xlim(-0.5, len(labels) - 0.5)
        panel.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
        panel.tick_params(axis="y", labelsize=7)
        panel.grid(axis="y", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(recent.columns) :]:
        panel.set_axis_off()
    figure.supylabel("times one pass over 1 GB", fontsize=9)
    with mpl.rc_context({"svg.hashsalt": "performance", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
