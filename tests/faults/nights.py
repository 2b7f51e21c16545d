"""Nights that meet each other, come late or in another order, or under a wrong clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np

from pipeline import nightly, steps
from pipeline.exchange.publication import LATEST, folder_name
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage.database import alerts
from pipeline.storage.records import Records
from tests.faults import state
from tests.faults.chain import find_faults, list_runs, noting_decisions, read_night
from tests.faults.disks import run_or_tell
from tests.faults.kills import undisturbed
from tests.faults.prepared import MISSED, STEPS, Step, copy, once
from tests.faults.processes import Ended, begin, in_child
from tests.faults.trials import Kind, Trial, Where, count
from tests.scenarios import nights
from tests.scenarios.nights import FLOOD, NEXT_MORNING
from tests.scenarios.season import CityNight

DAY = timedelta(days=1)
LAST = FLOOD + 4 * DAY
ATONCE = """\
A step runs twice at once, the second from a moment drawn from its duration; both must end well, or
the second with an error that the command line tells in one line. Afterwards everything but the
numbers of ingests equals an undisturbed run."""
CLOCK = """\
*a day ahead*: the clock makes the night of tomorrow with what has come by today; put right, it
makes tonight's, and the next day tomorrow's again. *a day behind*: it makes last night's again,
and tonight's once it is put right. *of the run alone*: tonight's is made at its issue time while
the clock, from which only a revision's time of sending is taken, is a day wrong. Each night's tree
must bear its own date, no message may be dated other than by a night that sent it, and the chains
of messages hold; after the last two the published files equal those of an undisturbed run."""
CLOCKS = (
    ("a day ahead", DAY), ("a day behind", -DAY), ("of the run alone", DAY),
    ("of the run alone", -DAY),
)  # fmt: skip
"""What is wrong by which time."""
SLEPT = """\
The machine sleeps over so many nights, then makes tonight's: the missed ones are issued first, in
order, each following the one before, and send nothing; tonight's messages are sent tonight. Two of
three times it is killed on the way through the missed nights and begins anew; then everything must
equal what one that was not killed has made."""
ORDER = """\
The three nights after the flood are made in each other order. A night that is made after a later
one sends no message; `latest.json` is always of the newest; the chains of messages hold. What an
older night adds (pairs of rain products) may revise a later one when all are made again in order:
no revision of a night but the newest sends, and a second time nothing changes."""
ORDERS = list(permutations(range(3)))[1:]


def twice(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Run a step twice at once."""
    step = STEPS[number % len(STEPS)]
    expected = undisturbed(where.folder, step)
    settings = copy(where.folder, step.base, where.place / "data")
    delay = random.uniform(0, expected.seconds)
    trial = Trial(step.name)
    first = begin(lambda: run_or_tell(step.run, settings))
    second = begin(lambda: run_or_tell(step.run, settings), delay_s=delay)
    ended: list[Ended[str]] = [first.end(), second.end()]
    trial.faults += [each.error or "killed" for each in ended if each.error or each.killed]
    told = [each.result for each in ended if each.result not in {None, "done"}]
    trial.facts["told"] = len(told)
    if len(told) > 1:
        trial.faults.append(f"both ended in an error: {told}")
    if not trial.faults:
        described = in_child(lambda: state.describe(settings, batches=False)).value()
        trial.faults = state.compare(expected.without_batches, described)
    trial.faults = [f"{step.name} twice, {delay:.2f} s apart: {fault}" for fault in trial.faults]
    return trial


def make_night(settings: Settings, asof: datetime) -> None:
    """Make a night as the DAG does of the files there are: from ingest to verify."""
    nights.ingest(settings, asof, NIGHTLY)
    nightly.catch_up(asof=asof, settings=settings)
    nightly.verify_last(asof=asof, settings=settings)
    steps.assess(asof=asof, settings=settings)
    steps.forecast(asof=asof, settings=settings)
    steps.publish(asof=asof, settings=settings)
    steps.verify(asof=asof, settings=settings)


def check_runs(settings: Settings) -> list[str]:
    """Say which run sent what it should not, or is not what its date says.

    Of a night whose tree need not be kept any more the tables alone are read.
    """
    wrong, records, runs = list[str](), Records(settings.database), list_runs(settings)
    newest = max(run["issue_time"] for run in runs)
    kept_from = newest - timedelta(days=settings.keep_published_days)
    for run in runs:
        stamp = folder_name(run["issue_time"])
        sent = [
            row["identifier"]
            for row in records.get(alerts, run["issue_time"], run["revision"])
            if row["identifier"]
        ]
        new = {
            row["identifier"]
            for row in records.messages_until(run, since=run["issue_time"] - timedelta(days=30))
            if (row["issue_time"], row["revision"]) == (run["issue_time"], run["revision"])
        }
        if run["late"] and new:
            wrong.append(f"{stamp} is late and sent {sorted(new)[:2]}")
        if bad := [name for name in new if stamp not in name or name not in sent]:
            wrong.append(f"{stamp} sent {bad[:2]}")
        tree = settings.published_dir / stamp
        if run["issue_time"] < kept_from and not tree.exists():
            continue
        index = json.loads((tree / "index.json").read_text())
        if not index["version"].startswith(stamp):
            wrong.append(f"{stamp} has the tree {index['version']}")
    said = json.loads((settings.published_dir / LATEST).read_text())["version"]
    if not said.startswith(folder_name(newest)):
        wrong.append(f"the newest night is {newest}, and latest.json names {said}")
    return wrong + state.find_broken_tree(settings)


def tell_flood(folder: Path) -> list[CityNight]:
    """What the flood's night told, with which the chains of the nights after it begin."""

    def publish_again(place: Path) -> list[CityNight]:
        settings = copy(folder, "flood", place / "data")

        def publish() -> list[CityNight]:
            with noting_decisions() as decisions:
                steps.publish(asof=FLOOD, settings=settings)
            return read_night(settings, FLOOD, decisions)

        return in_child(publish).value()

    return once(folder / "undisturbed" / "flood told", publish_again)


def wrong_clock(where: Where, number: int, _: np.random.Generator) -> Trial:
    """Make nights under a clock that is a day wrong, then under a right one."""
    label, error = CLOCKS[number % len(CLOCKS)]
    trial = Trial(label)
    settings = copy(where.folder, "laid_out", where.place / "data")
    made = NEXT_MORNING + error
    before = tell_flood(where.folder)

    def run() -> list[str]:
        season = list(before)
        asked: tuple[tuple[datetime, datetime], ...] = ()
        if label == "a day ahead":
            asked = ((NEXT_MORNING + DAY, NEXT_MORNING), (NEXT_MORNING, NEXT_MORNING),
                     (NEXT_MORNING + DAY, NEXT_MORNING + DAY))  # fmt: skip
        elif label == "a day behind":
            asked = ((FLOOD, NEXT_MORNING), (NEXT_MORNING, NEXT_MORNING))
        else:
            nights.ingest(settings, NEXT_MORNING, NIGHTLY)
            steps.assess(asof=NEXT_MORNING, settings=settings)
            steps.forecast(asof=NEXT_MORNING, settings=settings, made=made)
            steps.publish(asof=NEXT_MORNING, settings=settings)
        for asof, data_until in asked:
            steps.simulate(asof=data_until, settings=settings)
            with noting_decisions() as decisions:
                make_night(settings, asof)
            if not Records(settings.database).run(asof)["late"]:
                season += read_night(settings, asof, decisions)
        return check_runs(settings) + (find_faults(season) if label == "a day ahead" else [])

    ran = in_child(run)
    trial.faults = [ran.error] if ran.error else list(ran.value())
    if label != "a day ahead" and not trial.faults:
        expected = undisturbed(where.folder, publishing()).state
        found = in_child(lambda: state.describe_published(settings)).value()
        trial.faults = state.compare(state.keep_published(expected), found)
    trial.faults = [f"clock {label}: {fault}" for fault in trial.faults]
    return trial


def publishing() -> Step:
    """Find the step that publishes."""
    return next(step for step in STEPS if step.name == "publish")


def caught_up(folder: Path, missed: int) -> tuple[state.State, float]:
    """Sleep over some nights and make the next, undisturbed, once; what is left, and the time."""
    return once(
        folder / "undisturbed" / f"slept {missed}", lambda place: catch_up(folder, missed, place)
    )


def catch_up(folder: Path, missed: int, place: Path) -> tuple[state.State, float]:
    """Sleep over some nights and make the next, undisturbed, in a folder."""
    settings = copy(folder, f"slept {missed}", place / "data")
    last = FLOOD + (missed + 1) * DAY
    ran = in_child(lambda: nightly.catch_up(asof=last, settings=settings))
    ran.value()
    in_child(lambda: finish(settings, last)).value()
    found = in_child(lambda: state.describe(settings)).value()
    return found, ran.seconds


def finish(settings: Settings, asof: datetime) -> list[CityNight]:
    """Make a night that is ingested; what it told."""
    nightly.verify_last(asof=asof, settings=settings)
    steps.assess(asof=asof, settings=settings)
    steps.forecast(asof=asof, settings=settings)
    with noting_decisions() as decisions:
        steps.publish(asof=asof, settings=settings)
    return read_night(settings, asof, decisions)


def sleep(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Sleep over some nights, and make the next one."""
    missed = MISSED[number % len(MISSED)]
    last = FLOOD + (missed + 1) * DAY
    killed = number >= len(MISSED)
    trial = Trial(f"{missed} nights")
    settings = copy(where.folder, f"slept {missed}", where.place / "data")
    expected, seconds = caught_up(where.folder, missed) if killed else (None, 0.0)
    if killed:
        ran = in_child(
            lambda: nightly.catch_up(asof=last, settings=settings) and None,
            after_s=random.uniform(0, seconds),
        )
        trial.label += ", killed on the way" if ran.killed else ""
        trial.faults += [f"before it was killed: {ran.error}"] if ran.error else []

    def run() -> list[str]:
        nightly.catch_up(asof=last, settings=settings)
        made = finish(settings, last)
        runs = list_runs(settings)
        dates = [FLOOD + number * DAY for number in range(missed + 2)]
        wrong = check_runs(settings)
        if [run["issue_time"] for run in runs] != dates:
            wrong.append(f"the nights are {[run['issue_time'] for run in runs]}")
        if [bool(run["late"]) for run in runs] != [False, *[True] * missed, False]:
            wrong.append("other nights are late than those that were slept over")
        follows = [run["follows"] and run["follows"][0] for run in runs[1:]]
        if follows != [date.isoformat() for date in dates[:-1]]:
            wrong.append(f"the nights follow {follows}")
        wrong += [
            f"{night.told.identifier} is dated {night.told.sent}"
            for night in made
            if night.told is not None and night.told.sent != last
        ]
        return wrong + (state.compare(expected, state.describe(settings)) if expected else [])

    again = in_child(run)
    trial.faults += [again.error] if again.error else again.value()
    trial.faults = [f"slept over {missed} nights: {fault}" for fault in trial.faults]
    return trial


def reorder(where: Where, number: int, _: np.random.Generator) -> Trial:
    """Make the three nights after the flood in another order."""
    dates = [FLOOD + (index + 1) * DAY for index in range(3)]
    order = [dates[index] for index in ORDERS[number % len(ORDERS)]]
    days = ", ".join(str((date - FLOOD).days) for date in order)
    trial = Trial(f"nights {days}")
    settings = copy(where.folder, "flood", where.place / "data")
    told = tell_flood(where.folder)

    def run() -> list[str]:
        season = list(told)
        steps.simulate(asof=max(dates), settings=settings)
        for asof in order:
            nights.ingest(settings, asof, NIGHTLY)
            steps.assess(asof=asof, settings=settings)
            steps.forecast(asof=asof, settings=settings)
            with noting_decisions() as decisions:
                steps.publish(asof=asof, settings=settings)
            if not Records(settings.database).run(asof)["late"]:
                season += read_night(settings, asof, decisions)
        wrong = check_runs(settings) + find_faults(season)
        late = [bool(Records(settings.database).run(asof)["late"]) for asof in order]
        if late != [any(other > asof for other in order[:at]) for at, asof in enumerate(order)]:
            wrong.append(f"late are {late}")
        for asof in dates:
            nights.assess_to_publish(settings, asof)
        wrong += check_runs(settings)
        wrong += [
            f"the revision {run['revision']} of {run['issue_time']} is not late"
            for run in list_runs(settings)
            if run["revision"] and run["issue_time"] < max(dates) and not run["late"]
        ]
        before = state.describe(settings)
        for asof in dates:
            nights.assess_to_publish(settings, asof)
        return wrong + state.compare(before, state.describe(settings))

    ran = in_child(run)
    trial.faults = [
        f"{trial.label}: {fault}" for fault in ([ran.error] if ran.error else ran.value())
    ]
    return trial


def row(label: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Cells: label, tried, without fault."""
    name, tried, _, good = count(label, trials)
    return name, tried, good


def twice_row(label: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Cells of a step that ran twice at once."""
    told = str(sum(trial.facts.get("told", 0) > 0 for trial in trials))
    name, tried, good = row(label, trials)
    return name, tried, told, good


NIGHTS = (
    Kind(
        "at-once", "Two runs at once", ATONCE, 40, [step.base for step in STEPS], twice,
        ("step", "tried", "one ended in an error", "as undisturbed"), twice_row,
    ),
    Kind(
        "clock", "Clock wrong by a day", CLOCK, len(CLOCKS), ["flood", "laid_out", "forecast"],
        wrong_clock, ("clock", "tried", "without fault"), row,
    ),
    Kind("slept", "A machine that slept", SLEPT, 3 * len(MISSED), ["flood"], sleep,
         ("slept over", "tried", "without fault"), row),
    Kind("order", "Nights out of order", ORDER, len(ORDERS), ["flood"], reorder,
         ("order", "tried", "without fault"), row),
)  # fmt: skip
