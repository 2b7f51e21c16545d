"""Measure what quality control finds and loses: ``python -m docs.quality`` (some minutes).

Faults and true events are put into generated series; the table in docs/quality.md is synthetic.
``python -m docs.quality --exports DIR`` prints what becomes of the crests in a folder with exports
of the MRC portal; nothing of it is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from docs.make import between, table
from pipeline.geography.places import stations
from pipeline.quality import flags as quality_flags
from pipeline.quality.gauge_limits import Limits
from pipeline.settings import ROOT
from pipeline.sources.gauges import gauge_files

Floats = NDArray[np.float64]
TRIALS = 30
STEP_H = 0.25
DAYS = 14
AT = 5 * 96
"""Reading at which each fault or event begins; five days of usual readings lie before it."""
STATION = "013901"
FLOOD_YEARS = (1966, 1978, 1981, 1984, 1995, 2000, 2002, 2008, 2011, 2013, 2018, 2019)


@dataclass(frozen=True)
class Trial:
    """One generated series.

    Parameters
    ----------
    observed
        Readings as they come, m.
    truth
        Stage of the river, m.
    """

    observed: Floats
    truth: Floats

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which readings are off by more than 0.1 m."""
        return np.abs(self.observed - self.truth) > 0.1


def river(random: np.random.Generator) -> Floats:
    """Generate a river: a slow rise or fall of metres, with the noise of a stilling well."""
    hours = STEP_H * np.arange(96 * DAYS)
    slope = random.uniform(-0.15, 0.35)
    wave = random.uniform(0.3, 1.2) * np.sin(2 * np.pi * (hours / 240.0 + random.uniform()))
    level = 5.0 + slope * hours / 24.0 + wave + random.normal(0.0, 0.004, len(hours))
    return np.asarray(level)


def rest(count: int) -> Floats:
    """Give hours since the event began, of the readings from then on."""
    return np.asarray(STEP_H * np.arange(count))


def spikes(truth: Floats, random: np.random.Generator) -> Floats:
    """Add six spikes of one to four readings."""
    observed = truth.copy()
    for begin in random.choice(np.arange(AT, len(truth) - 96, 48), 6, replace=False).tolist():
        count = int(random.integers(1, 5))
        observed[begin : begin + count] += random.choice([-1, 1]) * random.uniform(0.5, 5.0)
    return observed


def stuck(truth: Floats, _random: np.random.Generator) -> Floats:
    """Repeat one value for four days."""
    observed = truth.copy()
    observed[AT : AT + 4 * 96] = observed[AT]
    return observed


def frozen_through_a_rise(truth: Floats, random: np.random.Generator) -> Floats:
    """Repeat one value for two days."""
    observed = truth.copy()
    observed[AT : AT + 192] = observed[AT] - random.uniform(0.0, 0.005)
    return observed


def drift(truth: Floats, _random: np.random.Generator) -> Floats:
    """Drift by 0.6 m in five days, until a visit."""
    observed, visit = truth.copy(), AT + 5 * 96
    observed[AT:visit] += np.linspace(0.0, 0.6, visit - AT)
    return observed


def moved_and_put_back(truth: Floats, random: np.random.Generator) -> Floats:
    """Move the sensor for three days."""
    observed = truth.copy()
    observed[AT : AT + 3 * 96] += random.choice([-1, 1]) * random.uniform(0.5, 1.5)
    return observed


def moved_for_good(truth: Floats, random: np.random.Generator) -> Floats:
    """Move the sensor for good."""
    observed = truth.copy()
    observed[AT:] += random.choice([-1, 1]) * random.uniform(0.5, 1.5)
    return observed


def centimetres(truth: Floats, _random: np.random.Generator) -> Floats:
    """Give a day in centimetres."""
    observed = truth.copy()
    observed[AT : AT + 96] = np.round(100.0 * observed[AT : AT + 96])
    return observed


def rise(truth: Floats, random: np.random.Generator) -> Floats:
    """Let the river rise for two days, under which a sensor freezes."""
    return np.asarray(
        truth + random.uniform(0.8, 2.5) * np.clip(np.arange(len(truth)) - AT, 0, 192) / 192
    )


def wave(truth: Floats, random: np.random.Generator) -> Floats:
    """Add a wave of 1.2-3 m within half an hour that falls slowly."""
    level = truth.copy()
    front = np.minimum(rest(len(truth) - AT) / random.uniform(0.2, 0.5), 1.0)
    falls = np.exp(-rest(len(truth) - AT) / random.uniform(12.0, 48.0))
    level[AT:] += random.uniform(1.2, 3.0) * front * falls
    return level


def releases(truth: Floats, random: np.random.Generator) -> Floats:
    """Let a dam release water for hours, day by day, up and down within half an hour."""
    level, height = truth.copy(), random.uniform(0.4, 1.2)
    for day in range(DAYS):
        first = 96 * day + int(random.integers(24, 40))
        last = first + int(random.integers(20, 40))
        level[first:last] += height
        level[first] -= 0.5 * height
        level[last : last + 1] += 0.5 * height
    return level


def flash_flood(truth: Floats, random: np.random.Generator) -> Floats:
    """Add a rise of 2-6 m in 3-12 hours that falls over days."""
    level, hours = truth.copy(), rest(len(truth) - AT)
    wide = random.uniform(3.0, 12.0)
    level[AT:] += random.uniform(2.0, 6.0) * np.where(
        hours < wide, hours / wide, np.exp((wide - hours) / 72.0)
    )
    return level


Change = Callable[[Floats, np.random.Generator], Floats]
CASES: dict[str, tuple[Change | None, Change | None]] = {
    "spikes of 1-4 readings": (None, spikes),
    "stuck for four days": (None, stuck),
    "frozen two days through a rise": (rise, frozen_through_a_rise),
    "drift of 0.6 m, put right by a visit": (None, drift),
    "datum moved for three days": (None, moved_and_put_back),
    "datum moved for good": (None, moved_for_good),
    "a day in cm": (None, centimetres),
    "wave of 1.2-3 m in half an hour": (wave, None),
    "releases of a dam": (releases, None),
    "flash flood of 2-6 m": (flash_flood, None),
}
"""What the river does and what the sensor does to it."""


def trials(case: str, count: int = TRIALS) -> list[Trial]:
    """Generate the series of a case."""
    number = list(CASES).index(case)
    event, fault = CASES[case]
    made = []
    for random in [np.random.default_rng([20260820, number, k]) for k in range(count)]:
        truth = river(random)
        truth = event(truth, random) if event else truth
        observed = fault(truth, random) if fault else truth
        made.append(Trial(np.round(observed, 2), truth))
    return made


def flag(observed: Floats, *, step_h: float = STEP_H) -> pd.DataFrame:
    """Flag a series of telemetry."""
    time = pd.Timestamp("2026-07-01") + pd.to_timedelta(step_h * np.arange(len(observed)), unit="h")
    frame = pd.DataFrame(
        {
            "station": STATION, "variable": "stage", "method": "telemetry", "valid_time": time,
            "value": observed, "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip
    return quality_flags.flag(frame, {STATION: Limits(0)})


def hours_until_right(trial: Trial) -> float:
    """Hours after the last wrong reading, or the event's begin, until the newest is used for good.

    It is looked for within ten hours: a level that lasts is believed after six.
    """
    wrong = np.flatnonzero(trial.wrong)
    first = int(wrong[-1]) + 1 if len(wrong) else AT
    ends = range(first, min(first + 40, len(trial.observed)))
    unused = [
        end
        for end in ends
        if flag(trial.observed[: end + 1])["qc"].iloc[-1] not in quality_flags.USED
    ]  # fmt: skip
    return STEP_H * (unused[-1] + 1 - first) if unused else 0.0


def measure(case: str, count: int = TRIALS) -> tuple[float, float, float]:
    """Share of wrong readings found, share of true ones lost, and median hours until right."""
    detected, lost_shares, hours = list[float](), list[float](), list[float]()
    for number, trial in enumerate(trials(case, count)):
        rows = flag(trial.observed)
        bad = ~rows["qc"].isin(quality_flags.USED).to_numpy()
        right = np.abs(rows["value"].to_numpy() - trial.truth) <= 0.1
        wrong = trial.wrong
        detected.append(float(np.mean((bad | right)[wrong])) if wrong.any() else np.nan)
        lost_shares.append(float(np.mean(bad[~wrong])))
        if number < 5 and not (wrong.any() and wrong[-1]):
            hours.append(hours_until_right(trial))
    share = float(np.nanmean(detected)) if np.isfinite(detected).any() else np.nan
    return share, float(np.mean(lost_shares)), float(np.median(hours)) if hours else np.nan


def rows() -> list[tuple[str, ...]]:
    """Rows of the table."""
    made: list[tuple[str, ...]] = []
    for case in CASES:
        detected, lost, hours = measure(case)
        made.append(
            (
                case,
                "–" if np.isnan(detected) else f"{100 * detected:.0f} %",
                f"{100 * lost:.1f} %",
                "–" if np.isnan(hours) else f"{hours:.1f}",
            )
        )
    return made


def crests(folder: Path) -> str:
    """Count the annual maxima of exports that are flagged, and the flood years among them."""
    read = [
        gauge_files.read(path)
        for path in gauge_files.list_exports(folder)
        if "Water Level" in path.name
    ]
    given = pd.concat(read, ignore_index=True)
    keys = ["station", "method", "valid_time"]
    flagged = quality_flags.flag(given).set_index(keys)["qc"]
    year = given["valid_time"].dt.year
    highest = given.loc[given.groupby(["station", "method", year])["value"].idxmax()]
    qc = flagged.reindex(pd.MultiIndex.from_frame(highest[keys])).to_numpy()
    # A gauge that reports above the sea, or in no known unit, has no crest to lose.
    shown = ~np.isin(qc, ["range", "absolute"])
    bad = shown & ~np.isin(qc, quality_flags.USED)
    main = highest["station"].isin(list(stations())).to_numpy()
    floods = main & highest["valid_time"].dt.year.isin(FLOOD_YEARS).to_numpy()
    return (
        f"{bad.sum()} of {shown.sum()} annual maxima of {given['station'].nunique()} series are "
        f"flagged, {(bad & floods).sum()} of {(shown & floods).sum()} crests of flood years at the "
        f"gauges of the table."
    )


def main() -> None:
    """Measure, and write the table; or count the crests of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exports", type=Path, help="folder with exports of the MRC portal")
    given = parser.parse_args()
    if given.exports:
        print(crests(given.exports))
        return
    head = ("fault or event", "share found", "true readings lost", "hours until right again")
    path = ROOT / "docs" / "quality.md"
    text = between(path.read_text(encoding="utf-8"), "quality", table(head, rows()))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
