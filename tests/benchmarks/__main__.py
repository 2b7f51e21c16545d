"""Run every benchmark beside its peer and write docs/performance.md: ``python3 make.py bench``.

Each piece of work runs in a process of its own, one after the other, so that its time is not
another's and its peak of memory is its own. A peer that would take minutes does a stated part of
the work and is scaled.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks import granules, nights
from tests.benchmarks.job import EDGES
from tests.benchmarks.measure import ROOT, Result, pass_speed, run
from tests.benchmarks.runs import (
    CURVES,
    SLOWER,
    TABLE,
    add_run,
    list_slower,
    plot_curves,
    read_passes,
)

PAGE = ROOT / "docs" / "performance.md"
FIRST, END = 2001, 2026
GRANULES, IMAGES, NIGHTS = 336, 48, 3
THIRD = [7.5, 16.5, 93.0, 110.0]
"""90 x 170 cells: as many blocks at a time as the whole box has, in a third of the time."""


@dataclass(frozen=True)
class Row:
    """One line of the page.

    Parameters
    ----------
    work
        What was done.
    ours
        What it took.
    peer, theirs
        Who did the same, what it took; none where there is none.
    target
        Words for what is wanted, and whether it was reached.
    apart
        Largest difference between the two, and where it is taken.
    """

    work: str
    ours: Result
    peer: str = ""
    theirs: Result | None = None
    target: tuple[str, bool] | None = None
    apart: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the peer, per unit of work."""
        theirs = self.theirs
        if theirs is None:
            return np.nan
        return (theirs.seconds / theirs.work) / (self.ours.seconds / self.ours.work)

    @property
    def name(self) -> str:
        """Name of the work in every run, without what one run found."""
        return self.work.partition(" (")[0]

    def cells(self, one_pass: float) -> list[str]:
        """Cells of the table, given the bytes a second of one pass."""
        theirs = self.theirs
        scaled = ""
        if theirs is not None and theirs.work < self.ours.work:
            scaled = f", from {theirs.work:,.0f} of {self.ours.work:,.0f}"
        whole = theirs.seconds * self.ours.work / theirs.work if theirs else np.nan
        multiple = (
            self.ours.seconds * one_pass / self.ours.read_bytes if self.ours.read_bytes else 0
        )
        wanted, reached = self.target or ("", True)
        return [
            self.work,
            f"{_time(self.ours.seconds)}, {self.ours.peak_mb:,.0f} MB",
            f"{self.peer}: {_time(whole)}{scaled}, {theirs.peak_mb:,.0f} MB" if theirs else "–",
            f"{self.ratio:.1f} x" if theirs else "–",
            f"{wanted}{'' if reached else ': **missed**'}" or "–",
            f"{multiple:,.0f} x" if multiple else "–",
            self.apart or "–",
        ]


def _time(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _apart(ours: NDArray[np.floating], theirs: NDArray[np.floating], *, inside: float) -> float:
    """Largest difference where ours lies inside a bound, one side missing counting as infinite."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    one_sided = np.isnan(ours) != np.isnan(theirs)
    if one_sided.any():
        return np.inf
    near = np.abs(ours) < inside
    return float(np.abs(ours - theirs)[near].max())


def standardised(folder: Path) -> list[Row]:
    """SPI-6 of months, and one new step."""
    cells = 165 * 244
    one, two = (run("spi.fit_and_apply", folder, cells=cells, threads=n) for n in (1, 2))
    rows = []
    for peer, part in (("climate_indices", 2000), ("xclim, APP", 2000)):
        theirs = run(f"spi.{peer.split(',')[0]}", folder, cells=part)
        apart = _apart(one.values, theirs.values, inside=2.99)
        row = Row("SPI-6, fit and apply, 165 x 244 cells x 528 months, one thread", one, peer,
                  theirs, apart=f"{apart:.0e} within ±3")  # fmt: skip
        rows.append(_with_target(row, "5 x", row.ratio >= 5 and apart < 0.01))
    rows.append(Row("SPI-6, two threads", two))
    for step, season in (("month", "month"), ("day", "dayofyear")):
        ours = run("spi.one_step", folder, cells=cells, season=season)
        theirs = run("spi.one_step_exactly", folder, cells=cells, season=season)
        apart = _apart(ours.values, theirs.values, inside=np.inf)
        row = Row(f"one new {step} of {cells:,} cells, by its parameters", ours,
                  "incomplete gamma function", theirs, apart=f"{apart:.0e}")  # fmt: skip
        rows.append(_with_target(row, "50 ms", ours.seconds <= 0.05))
    return rows


def _with_target(row: Row, wanted: str, reached: bool) -> Row:
    return Row(row.work, row.ours, row.peer, row.theirs, (wanted, reached), row.apart)


def areal(folder: Path) -> list[Row]:
    """Areal means."""
    size = {"steps": 365, "polygons": 1000}
    ours, theirs = (run(f"zones.{who}", folder, **size) for who in ("ours", "exactextract"))
    apart = float(np.abs(ours.values / theirs.values - 1).max())
    row = Row("means of 1000 polygons x 365 steps on 260 x 170, weights kept", ours,
              "exactextract", theirs, apart=f"{apart:.1%}, areas on the ellipsoid")  # fmt: skip
    return [_with_target(row, "6 x", row.ratio >= 6 and apart < 0.02)]


def half_hours(folder: Path) -> list[Row]:
    """Half-hourly granules."""
    granules.write(folder / "granules", GRANULES)
    where = str(folder / "granules")
    ours, theirs = (run(f"granules.{who}", folder, folder=where) for who in ("ours", "mfdataset"))
    apart = _apart(ours.values, theirs.values, inside=np.inf)
    row = Row(f"{GRANULES} half-hourly granules, global files cut to the box", ours,
              "open_mfdataset", theirs, apart=f"{apart:.0e}")  # fmt: skip
    rows = [_with_target(row, "4 x", row.ratio >= 4 and apart < 1e-6)]
    granules.write_images(folder / "images", IMAGES)
    for source, files, what in (
        ("imerg_late", "granules", f"reading {GRANULES} of them alone, one thread, CPU time"),
        ("gk2a", "images", f"reading {IMAGES} full disks of GK2A, one thread, CPU time"),
    ):
        reading = run(
            "granules.beside_inflating", folder, folder=str(folder / files), source=source
        )
        by_zlib, by_isal = (
            Result(reading.notes[f"{library}_s"], reading.work, reading.values)
            for library in ("zlib", "isal")
        )
        times = [reading.seconds / limit.seconds for limit in (by_zlib, by_isal)]
        row = Row(what, reading, "inflating the chunks of the window and nothing else", by_zlib)
        wanted = f"within 1.6 x, found {times[0]:.1f} x by zlib, {times[1]:.1f} x by ISA-L"
        rows.append(_with_target(row, wanted, times[0] <= 1.6))
    return rows


def record(folder: Path) -> list[Row]:
    """The whole record, of 25 years and of 50."""
    size = {"folder": str(folder / "long" / "archive"), "end": END}
    run("job.generate", folder, **size, first=FIRST, edges=list(EDGES))
    ours = run("job.whole_record", folder, **size)
    apart = _apart(ours.values, run("job.some_plainly", folder, **size).values, inside=3)
    row = Row("all indices of 25 years x daily x 270 x 170 cells, from and to the archive", ours,
              apart=f"{apart:.0e}, SPI-90 by plain calls")  # fmt: skip
    good = ours.seconds <= 180 and ours.peak_mb <= 3000 and apart < 0.001
    twice = {"folder": str(folder / "twice" / "archive"), "end": END}
    run("job.generate", folder, **twice, first=FIRST - 25, edges=THIRD)
    fifty = run("job.whole_record", folder, **twice)
    shutil.rmtree(folder / "twice")
    flat = fifty.peak_mb <= max(1.1 * ours.peak_mb, 3000)
    return [
        _with_target(row, "180 s, 3,000 MB", good),
        Row(
            "all indices of 50 years, on a third of the box", fifty, target=("no more memory", flat)
        ),
    ]


def one_more_night(folder: Path) -> list[Row]:
    """A night on the record of before, and on its last year."""
    (folder / "short").mkdir()
    run("nights.shorten", folder, folder=str(folder / "long" / "archive"),
        to=str(folder / "short" / "archive"), days=366)  # fmt: skip
    first = nights.first_night(END)
    nights.lay_out(folder / "night", first, NIGHTS + 1)
    size = {"files": str(folder / "night"), "first": first.isoformat(), "nights": NIGHTS}
    os.sync()  # or the nights wait for the disk to take the record
    short, long = (
        run("nights.run", folder, data=str(folder / k), **size) for k in ("short", "long")
    )
    apart = _apart(long.values, short.values, inside=np.inf)
    words = ", ".join(f"{k.removesuffix('_s')} {_time(v)}" for k, v in long.notes.items())
    row = Row(
        f"one more night on 25 years ({words})", long, "on 1 year", short, apart=f"{apart:.0e}"
    )
    times = long.seconds / short.seconds
    return [_with_target(row, f"within 1.2 x, found {times:.2f} x", times <= 1.2 and apart == 0)]


def stages(folder: Path) -> list[Row]:
    """The stage model of one gauge."""
    size = {"years": 20, "gauges": 9}
    fitted = run("stage.ours", folder, **size)
    theirs = run("stage.plain", folder, **size, tiers=1)
    cp = " / ".join(
        f"{own:.3f} against {other:.3f}"
        for own, other in zip(fitted.values, theirs.values, strict=True)
    )
    row = Row(
        "training one gauge: 4 tiers, 3 leads, 20 years, errors of years held out", fitted,
        "imputer, scaler and RidgeCV of scikit-learn", theirs,
        apart=f"CP at 1 / 3 / 7 d {cp} (synthetic)",
    )  # fmt: skip
    return [row]


def page(rows: list[Row], one_pass: float, took: float, slower: dict[str, float]) -> str:
    """Text of the page."""
    risen = "; ".join(f"{times} x: {work}" for work, times in slower.items()) or "none"
    head = ["work", "ours", "peer", "ratio", "wanted", "x one pass", "largest difference"]
    table = [head, ["---"] * len(head), *(row.cells(one_pass) for row in rows)]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[2]
    made = next(row.ours for row in rows if row.work.startswith("all indices"))
    read, written = (size / 1e9 for size in (made.read_bytes, made.notes["written_bytes"]))
    days, months = made.notes["days"], made.notes["months"]
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    return f"""# Performance

Made by `python3 make.py bench`, all in one run of {took / 60:.0f} minutes: {os.cpu_count()} cores,
{memory:.0f} GB of memory, Linux, Python {platform.python_version()}, NumPy {np.__version__}.
Mean load of the last quarter of an hour at the end {load:.1f}; the run itself makes 1 to 2, the
rest is other work on the machine. Every piece of work runs in a process of its own, and its peak
of memory is that of the process, libraries and input included, and of all processes together
where it starts others.

{lines}

* **One pass** over an array in memory goes at {one_pass / 1e9:.1f} GB a second on one thread; the
  column says how many times that the work takes for the bytes it reads, which is how far it is from
  the limit of memory bandwidth.
* Where a peer did a part of the work, its time is scaled by the number of cells.
* Rain, soil moisture, evaporation and vegetation are generated in
  [record.py](../tests/benchmarks/record.py), with the zeros of a monsoon climate: synthetic.
* The 25 years hold {read:.1f} GB of input and give {written:.1f} GB of indices before compression:
  {days:,.0f} days of {made.notes["by_day"]:.0f} indices,
  {months:,.0f} months of {made.notes["by_month"]:.0f}.
* Both nights apply the same reference, fitted on 25 years; the short archive holds 366 days.
* SMAP begins in 2015 and the composites in 2012, here as in the sky.

## Earlier runs
![Time of each work by run]({CURVES.name})

Times of the runs in [{TABLE.name}]({TABLE.name}), each over the time of one pass over 1 GB in
the same run, so that runs on other machines stand beside each other. More than {SLOWER} times the
median of the runs before, in the last: {risen}.
"""


def main() -> None:
    """Run all, write the page, leave with 1 where something was missed."""
    folder = ROOT / "var" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begin, one_pass = perf_counter(), pass_speed()
    rows: list[Row] = []
    try:
        for part in (standardised, areal, half_hours, stages, record, one_more_night):
            started = perf_counter()
            rows += (made := part(folder))
            print(f"{part.__name__}: {perf_counter() - started:.0f} s", flush=True)
            for row in made:
                print(" | ".join(row.cells(one_pass)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took = perf_counter() - begin
    seconds = {row.name: row.ours.seconds for row in rows}
    add_run(TABLE, seconds, one_pass=one_pass, day=datetime.now(UTC).date())
    passes = read_passes(TABLE)
    plot_curves(passes, CURVES)
    slower = list_slower(passes)
    PAGE.write_text(page(rows, one_pass, took, slower), encoding="utf-8")
    missed = [row.work for row in rows if row.target and not row.target[1]]
    for work in missed:
        print(f"missed: {work}", file=sys.stderr)
    for work, times in slower.items():
        print(f"{times} times the median of the runs before: {work}", file=sys.stderr)
    print(f"wrote {PAGE.relative_to(ROOT)}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
