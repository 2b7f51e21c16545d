"""Nights without a source, or two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

import numpy as np

from pipeline import steps
from pipeline.alerts.levels import RAISED, Level
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY, SOURCES
from pipeline.sources.base import NotPublished
from pipeline.sources.upstream import locate
from tests.faults.chain import find_faults_of_one, noting_decisions, read_night
from tests.faults.prepared import TEN_BEFORE, copy, once
from tests.faults.processes import in_child
from tests.faults.trials import Kind, Trial, Where, count
from tests.scenarios import nights
from tests.scenarios.nights import NEXT_MORNING, Night, check_tree

CASES: list[tuple[int, tuple[str, ...]]] = [
    (1, ()),
    *(
        (length, dead)
        for dead in (*((one,) for one in NIGHTLY), *combinations(NIGHTLY, 2))
        for length in (1, 10)
    ),
]
"""Number of nights and the sources that are dead for so long."""
WORDS = """\
Every source that a night counts on, and every pair of them, has given nothing in the last night,
or in the last ten: what would have come of it is taken from the upstream folder. The night must go
through all steps; its tree, messages and feeds must agree with each other and with the schemas,
its text must name what is missing for ten nights beside what the night lacks anyway, no all-clear
may be false, and every reading above a threshold stage must be told. What dead sources cost in
skill stands in [outages.md](outages.md)."""


def withhold(settings: Settings, dead: Sequence[str], *, asof: datetime, since: datetime) -> int:
    """Remove what some sources would have given since a moment; number of files."""
    removed = 0
    for name in dead:
        row = SOURCES[name]
        if name == "gauges":
            for folder in settings.upstream_dir.glob("mrc/2*"):
                stamp = datetime.strptime(f"{folder.name}+0000", "%Y%m%dT%H%M%z")
                for path in folder.iterdir() if stamp > since else ():
                    path.unlink()
                    removed += 1
            continue
        for granule in row.load().granules(name, asof - row.lookback, asof, asof):
            try:
                path, published = locate(granule, settings.upstream_dir, asof=asof)
            except NotPublished:
                continue
            if published > since:
                path.unlink()
                removed += 1
    return removed


def die(where: Where, number: int, _: np.random.Generator) -> Trial:
    """Make a night without what some sources would have given."""
    length, dead = CASES[number % len(CASES)]
    words = ("none", "one source", "two sources")[len(dead)]
    trial = Trial(f"{words}, {length} night{'s' if length > 1 else ''}" if dead else words)
    # Most of ten nights' files are images of GK2A: where it lives they are ingested once for all.
    before = "ten_before" if "gk2a" in dead else "ten_before_gk2a"
    settings = copy(where.folder, "laid_out" if length == 1 else before, where.place / "data")
    since = NEXT_MORNING - timedelta(days=1) if length == 1 else TEN_BEFORE

    usual = () if not dead or length == 1 else tell_missing(where.folder)

    def run() -> tuple[list[str], dict[str, float]]:
        removed = withhold(settings, dead, asof=NEXT_MORNING, since=since)
        nights.ingest(settings, NEXT_MORNING, NIGHTLY)
        steps.assess(asof=NEXT_MORNING, settings=settings)
        steps.forecast(asof=NEXT_MORNING, settings=settings)
        with noting_decisions() as decisions:
            steps.publish(asof=NEXT_MORNING, settings=settings)
        night = Night(settings, NEXT_MORNING)
        check_tree(night)
        wrong = find_faults_of_one(read_night(settings, NEXT_MORNING, decisions))
        text = " ".join(one for one in night.missing if one not in usual)
        if removed and length > 1:
            wrong += [f"the tree does not say that {one} is missing" for one in dead
                      if one not in text and SHOWN_AS.get(one, one) not in text]  # fmt: skip
        floods = night.levels()
        raised = sum(level in RAISED for level in floods.values())
        unknown = sum(level == Level.UNKNOWN for level in floods.values())
        return wrong, {"raised": raised, "unknown": unknown, "removed": removed}

    ran = in_child(run)
    if ran.error:
        trial.faults = [ran.error]
    else:
        trial.faults, trial.facts = ran.value()
        trial.happened = trial.facts["removed"] > 0 or not dead
    trial.faults = [f"{' and '.join(dead)} dead, {length}: {fault}" for fault in trial.faults]
    return trial


def tell_missing(folder: Path) -> Sequence[str]:
    """What the night says is missing where no source is dead: a virtual provider loses files."""

    def publish(place: Path) -> list[str]:
        settings = copy(folder, "ten_before_gk2a", place / "data")
        return in_child(lambda: nights.whole_night(settings, NEXT_MORNING).missing).value()

    return once(folder / "undisturbed" / "no source dead", publish)


SHOWN_AS = {"gauges": "gauge"}
"""What the texts call a source."""


def row(label: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Cells of the cases of one length."""
    raised, unknown = (
        [trial.facts[key] for trial in trials if key in trial.facts]
        for key in ("raised", "unknown")
    )
    return (
        *count(label, trials),
        f"{min(raised, default=0):.0f} to {max(raised, default=0):.0f}",
        f"{min(unknown, default=0):.0f} to {max(unknown, default=0):.0f}",
    )  # fmt: skip


DEAD = Kind(
    "dead-sources", "Dead sources", WORDS, len(CASES), ["laid_out"], die,
    ("dead", "cases", "with files removed", "without fault", "cities with a flood alert",
     "cities UNKNOWN"), row,
)  # fmt: skip
