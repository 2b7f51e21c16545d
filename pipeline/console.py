"""Lines and tables for people: results of the steps, state of the sources, a published night."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.progress import Progress
from pipeline.steps import SCORED

if TYPE_CHECKING:
    from models.verification.comparison import RivalComparison
    from models.verification.hindcast_files import Hindcast
    from models.verification.operational import CityScore
    from models.verification.scoreboard import Scoreboard
    from pipeline.exchange.cancellation import Cancelled
    from pipeline.gridded.job import JobResult
    from pipeline.ingest.run import Ingested
    from pipeline.ingest.status import SourceStatus
    from pipeline.nights.index_files import ExportedIndex
    from pipeline.results import (
        Assessed,
        Forecast,
        Published,
        Simulated,
        Trained,
        Verified,
        WatchResult,
    )

LEVEL_STYLES = {
    "emergency": "bold white on red",
    "warning": "bold red",
    "watch": "yellow",
    "unknown": "magenta",
    "none": "green",
}
"""Style of each level, the highest first."""
LEVELS = list(LEVEL_STYLES)
MOST_NAMED = 5
"""Most files named of those passed over for one reason."""

console = Console()
if not console.is_terminal:
    console = Console(width=120)


def print_line(line: str) -> None:
    """Print lines as they are, without markup or wrapping."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def show_progress(title: str) -> Iterator[Progress]:
    """Show the progress of a step, on a terminal."""
    with console.status(title) as status:

        def update(activity: str, done: int, total: int, /) -> None:
            status.update(f"{title}: {activity} {done}/{total}")

        yield update


def describe_exported(index: str, exported: ExportedIndex) -> str:
    """Line of an index that was written into a file."""
    mark = "" if exported.status == "Actual" else f"{exported.status}: "
    names = {"cell": "cells", "basin": "sub-basins", "city": "cities", "gauge": "gauges"}
    places = names[exported.by]
    values = exported.steps * exported.places
    return (
        f"{exported.path}: {mark}{index} ({exported.unit}), {exported.places:,} {places}, "
        f"{exported.steps} {exported.step} from {exported.first} to {exported.last}; "
        f"{exported.missing:,} of {values:,} values not known, left empty"
    )


def describe_simulated(simulated: Simulated) -> str:
    """Describe in one line the files written by the virtual basin."""
    return f"virtual basin: {simulated.files} upstream files written"


def describe_ingested(ingested: Ingested) -> str:
    """Describe the result of an ingest, one line per fact."""
    source = ingested.source
    if ingested.needs and not ingested.read:
        return f"{source}: skipped, needs {ingested.needs}, which is not set"
    rejected = ingested.rejected_before
    before = f", {rejected} of them rejected before" if rejected else ""
    lines = [
        (
            f"{ingested.read} files read, {ingested.added} steps or readings added, "
            f"{ingested.known} known already{before}"
        )
    ]
    if ingested.missing:
        why = ingested.cause
        if not (why or ingested.unfetched or ingested.not_yet):
            why = f"the last: {ingested.missing[-1]}"
        lines.append(
            f"{len(ingested.missing)} files that should exist are missing{why and f': {why}'}"
        )
    elif ingested.cause:
        lines.append(f"no files: {ingested.cause}")
    if ingested.unfetched:
        lines.append(
            f"{len(ingested.unfetched)} files could not be fetched, the last: "
            f"{ingested.unfetched[0]}"
        )
    if ingested.not_yet:
        lines.append(
            f"{len(ingested.not_yet)} files are not due yet and did not come, the last: "
            f"{ingested.not_yet[0]}"
        )
    lines += [f"rejected {reason}" for reason in ingested.rejected]
    if ingested.unknown_station_files:
        lines.append(
            "expected stations of data/reference/stations.csv, found others: new stations "
            f"{', '.join(ingested.unknown_stations)} in "
            f"{', '.join(ingested.unknown_station_files)}; kept, to predict with but not to warn by"
        )
    lines += ingested.remarks
    lines += _describe_passed_over(ingested.passed_over)
    if ingested.nothing_came_in:
        lines.append("nothing came in")
    return "\n".join(f"{source}: {line}" for line in lines)


def _describe_passed_over(passed_over: Sequence[str]) -> Iterator[str]:
    """Group ``name: reason`` by the reason and name the first few of each."""
    names_by_reason = dict[str, list[str]]()
    for name, _, reason in (text.partition(": ") for text in passed_over):
        names_by_reason.setdefault(reason, []).append(name)
    for reason, names in sorted(names_by_reason.items()):
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"passed over {len(names)} files: {reason} ({', '.join(names[:MOST_NAMED])}{more})"


def print_ingested(ingested: Iterable[Ingested], *, from_internet: bool) -> list[Ingested]:
    """Print the result of each source as it comes, and return all results.

    From the internet printing waits until a provider is reached: where none is, that is said first.
    """
    records: list[Ingested] = []
    count, waiting = 0, from_internet
    try:
        for record in ingested:
            records.append(record)
            waiting = waiting and not record.reached
            if not waiting:
                _print_each(records[count:])
                count = len(records)
    finally:
        if unreached := sum(record.reached is False for record in records) if waiting else 0:
            print_line(
                f"providers: none could be reached, of {unreached} sources that were asked; see "
                "whether this machine is online"
            )
        _print_each(records[count:])
    return records


def _print_each(ingested: Iterable[Ingested]) -> None:
    for record in ingested:
        print_line(describe_ingested(record))


def describe_assessed(assessed: Assessed) -> str:
    """Describe how many days of the zonal daily series were computed, and those of new zones."""
    line = f"areal record: {assessed.days} days made, {assessed.changed} of them new or changed"
    if assessed.new_zones:
        line += (
            f"; new: {', '.join(assessed.new_zones)}, {assessed.past_days} past days made from the "
            "archived grids"
        )
    return line


def describe_indices(indices: JobResult) -> str:
    """Describe the days and months of the grid's indices that were computed, and omissions."""
    if not indices.reference:
        return "indices of the grid: no reference yet; run: mekong indices --record"
    origin = "fitted" if indices.fitted else "kept"
    remark = ", shorter than 30 years" if indices.provisional else ""
    lines = [
        (
            f"{indices.days} days and {indices.months} months made; reference "
            f"{indices.reference} of {indices.period} {origin}{remark}"
        )
    ]
    lines += [
        f"{count} values of {name} out of range and left out"
        for name, count in sorted(indices.left_out.items())
    ]
    return "\n".join(f"indices of the grid: {line}" for line in lines)


def describe_trained(trained: Trained) -> str:
    """Describe a set of models in one line, and why it was kept in another."""
    line = (
        f"models {trained.version}: {trained.stations} gauges, data to {trained.trained_to}, "
        f"{trained.origin}"
    )
    if trained.kept:
        line += f"\nkept, the new ones are worse: {'; '.join(trained.kept)}"
    return line


def describe_forecast(forecast: Forecast) -> str:
    """Describe a run in one line, and each set of models that could not be used in another."""
    tiers = ", ".join(f"{count} {tier}" for tier, count in forecast.tiers.items())
    lines = [
        (
            f"forecast {forecast.issue_time} r{forecast.revision}: {forecast.stations} gauges "
            f"({tiers}), {forecast.zones} zones"
        )
    ]
    remedy = f"used {forecast.model_version} in their place; train anew or put back a backup"
    lines += [f"{broken}; {remedy}" for broken in forecast.broken_models]
    return "\n".join(lines)


def describe_published(published: Published) -> str:
    """Describe a published tree in one line, without the reasons why it is degraded."""
    levels = ", ".join(f"{count} {level}" for level, count in sorted(published.levels.items()))
    messages = f"{published.messages} CAP messages"
    if published.late:
        messages = "no CAP messages, since a later night has been issued"
    signed = "" if published.signed else ", not signed"
    return f"published {published.folder}: {messages} ({levels}){signed}"


def describe_cancelled(cancelled: Cancelled) -> str:
    """Describe in one line a message that was withdrawn."""
    said = "; ".join((cancelled.path, *cancelled.degraded))
    return f"cancelled {cancelled.message}: {said}"


def describe_verified(verified: Verified) -> str:
    """Describe in one line the scores of the forecasts of the last days."""
    if verified.rmse_m is None:
        return "verified: no forecast has come due yet"
    line = f"verified: {verified.forecasts} forecasts of the last {SCORED.days} days came due, "
    line += f"RMSE {verified.rmse_m:.2f} m, 80 % interval held {verified.cover80:.0%}"
    if verified.cp is not None:
        line += f", CP {verified.cp:.2f}"
    issued = sum(level.issued for level in verified.levels)
    hits = sum(level.hits for level in verified.levels)
    return f"{line}; {hits} of {issued} flood warnings came true" if issued else line


def describe_result(result: object) -> str:
    """Describe in a line what a step of a night did."""
    return _DESCRIPTIONS[type(result).__name__](result)


def describe_hindcast(hindcast: Hindcast) -> str:
    """Describe a hindcast: its files, and the skill at each lead."""
    scores = [
        f"{lead} d {cp:.2f} (reference {hindcast.median_reference_cp.get(lead, float('nan')):.2f})"
        for lead, cp in hindcast.median_cp.items()
    ]
    mark = "SYNTHETIC, from the virtual basin: " if hindcast.origin == "virtual" else ""
    return (
        f"{hindcast.forecasts} forecasts in {hindcast.folder}\n"
        f"{mark}median wet-season CP: {', '.join(scores)}\n"
        f"read {hindcast.folder}/report.html; the scores are in scores.csv"
    )


def print_sources(states: Iterable[SourceStatus], *, asof: datetime, with_provider: bool) -> None:
    """Print a table of the sources: credentials that each needs, and its last datum.

    Parameters
    ----------
    states
        One row per source.
    asof
        Moment that the table speaks for.
    with_provider
        Whether to show the answers of the providers, where they were asked.
    """
    table = Table(
        title=f"Sources as of {asof:%Y-%m-%d %H:%MZ}",
        box=box.ROUNDED if console.is_terminal else None,
    )
    names = ["Source", "Needs", "Last datum ends", "Lag", "Usual"]
    for name in names + ["Provider"] * with_provider:
        table.add_column(name, justify="right" if name in {"Lag", "Usual"} else "left")
    for state in states:
        needs = [
            f"{re.sub(' or [A-Z]+_', '/', name)}: {'set' if is_set else '[yellow]not set[/]'}"
            for name, is_set in state.needs
        ]
        is_late = state.lag is not None and state.lag > state.usual
        lag = _describe_span(state.lag)
        row = [
            state.source,
            ", ".join(needs) or "–",
            f"{state.latest:%Y-%m-%d %H:%MZ}" if state.latest else "–",
            f"[yellow]{lag}[/]" if is_late else lag,
            _describe_span(state.usual),
        ]
        if with_provider:
            mark = {True: "[green]ok[/]", False: "[red]no[/]", None: "–"}[state.well]
            row.append(f"{mark}  {escape(state.reached)}")
        table.add_row(*row)
    console.print(table, soft_wrap=not console.is_terminal)


def _describe_span(span: timedelta | None) -> str:
    """Describe a span of time in minutes, hours or days."""
    if span is None:
        return "–"
    hours = span / timedelta(hours=1)
    if abs(hours) < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if abs(hours) < 72 else f"{hours / 24:.0f} d"


def print_scores(verified: Verified, *, since: datetime) -> None:
    """Print scores by city and lead, by city and level, and of drought by horizon."""
    day = f"{since:%Y-%m-%d}"
    if verified.cities:
        console.print(_tabulate_cities(verified.cities, day))
    for level in verified.levels:
        hits = f"the mark was reached after {level.hits} of {level.issued} of them"
        print_line(f"{level.city}, flood {level.level} since {day}: {hits}")
    for score in verified.drought:
        print_line(
            f"drought D1 or drier in {score.horizon_weeks} weeks since {day}: {score.forecasts} "
            f"forecasts, {score.events} came, Brier score {score.brier:.3f}"
        )


def _tabulate_cities(scores: Sequence[CityScore], since: str) -> Table:
    """Tabulate scores of the issued stage forecasts by city and lead."""
    table = Table(
        title=f"Stage forecasts as issued since {since}",
        caption="CP: 1 - MSE / MSE of persistence; 80 %: share inside that interval.",
    )
    for name in ("City", "Lead", "Forecasts", "RMSE", "CP", "80 %"):
        table.add_column(name, justify="left" if name == "City" else "right")
    for score in scores:
        table.add_row(
            score.city,
            f"{score.lead_days} d",
            str(score.forecasts),
            f"{score.rmse_m:.2f} m",
            "–" if score.cp is None else f"{score.cp:.2f}",
            f"{score.cover80:.0%}",
        )
    return table


def describe_watch(watched: WatchResult) -> str:
    """Describe an hourly watch: what it raised, what it saw, and how long it took."""
    if not watched.follows:
        return f"watch of {watched.asof}: nothing done"
    raised = f"{len(watched.raised)} raised"
    if watched.datum_minutes is not None:
        raised += f", {watched.datum_minutes} minutes after the datum"
    seen = [
        f"{what} {', '.join(places) or 'nowhere'}"
        for what, places in (
            ("heavy rain", watched.heavy_rain),
            ("over alarm stage", watched.over_mark),
            ("sudden change", watched.sudden),
        )
    ]
    return (
        f"watch of {watched.asof} after the night of {watched.follows}: {raised}; "
        f"{'; '.join(seen)} ({watched.seconds:.0f} s)"
    )


VERDICT_STYLES = {"better": "green", "worse": "red"}
"""Style of each verdict on our forecasts that says something."""


def print_comparison(comparison: RivalComparison) -> None:
    """Print the main scores of two archives by lead, and what makes them unfair."""
    mark = "Exercise: from the virtual basin. " if comparison.virtual else ""
    table = Table(
        title=f"{mark}Ours beside {comparison.rival}",
        caption=f"Difference: ours - rival; interval: {comparison.interval}.",
    )
    for name in ("Lead", "Score", "Forecasts", "Ours", "Rival", "Difference", "Ours is"):
        table.add_column(name, justify="left" if name in {"Score", "Ours is"} else "right")
    for lead, rows in comparison.select_headline().groupby("lead_days"):
        table.add_section()
        for row in rows.to_dict("records"):
            bounds = f" ({row['low']:+.3f} to {row['high']:+.3f})"
            table.add_row(
                f"{lead} d",
                row["score"],
                str(row["cases"]),
                f"{row['ours']:.3f}",
                f"{row['rival']:.3f}",
                f"{row['difference']:+.3f}{'' if 'nan' in bounds else bounds}",
                row["verdict"],
                style=VERDICT_STYLES.get(row["verdict"], ""),
            )
    console.print(table)
    for line in comparison.describe():
        print_line(line)


def print_scoreboard(scoreboard: Scoreboard) -> None:
    """Print the outcome of the warnings by city and level, and name the events that were missed."""
    rows = scoreboard.scores[scoreboard.scores["lead_days"].isna()]
    events = rows["hits"] + rows["misses"] + rows["false_alarms"]
    if not events.any():
        print_line(f"no event and no settled warning from {scoreboard.since:%Y-%m-%d} on")
        _print_reports(scoreboard)
        return
    table = Table(
        title=f"Warnings as issued since {scoreboard.since:%Y-%m-%d}",
        caption="POD, FAR and lead time (median) from ten events up; files have every lead.",
    )
    for name in (
        "",
        "City",
        "Hazard",
        "Level",
        "Of",
        "Hits",
        "Misses",
        "False",
        "POD",
        "FAR",
        "Lead",
    ):
        table.add_column(name, justify="left" if name in {"", "City", "Hazard"} else "right")
    for row in rows[events > 0].to_dict("records"):
        scores = [_format_score(row[name], "{:.2f}") for name in ("pod", "far")]
        counts = [str(row[name]) for name in ("hits", "misses", "false_alarms")]
        lead = _format_score(row["lead_time_median_h"], "{:.0f} h")
        names = (row[name] for name in ("status", "city", "hazard", "level", "event"))
        table.add_row(*names, *counts, *scores, lead)
    console.print(table)
    missed = scoreboard.misses[scoreboard.misses["lead_days"].isna()]
    for miss in missed.to_dict("records"):
        highest = miss["highest_class"] or f"{miss['highest_m']:.2f} m"
        chance = _format_score(miss["p"], "P {:.0%}")
        print_line(
            f"missed: {miss['status']}, {miss['city']}, {miss['event']} on "
            f"{miss['reached_time']:%Y-%m-%d} (no {miss['level']}), highest {highest}, "
            f"{miss['level_in_force']} in force, {chance}"
        )
    _print_reports(scoreboard)


def _print_reports(scoreboard: Scoreboard) -> None:
    """Print what was reported from the ground by city, apart from the gauges."""
    for row in scoreboard.reports.to_dict("records"):
        missed = f" (days: {row['missed_days']})" if row["missed_days"] else ""
        print_line(
            f"reported: {row['status']}, {row['city']}: {row['hits'] + row['misses']} flooded, "
            f"{row['misses']} of them with no level in force{missed}; {row['dry']} dry, "
            f"{row['contradicted']} of them under an Emergency; "
            f"warned on {row['hit_days']} of {row['flood_days']} days with a flood"
        )


def _format_score(score: float, pattern: str) -> str:
    """Format a score; a dash where there is none."""
    return "–" if math.isnan(score) else pattern.format(score)


def print_night(folder: Path) -> None:
    """Print a published night: cities and hazards with a level, and where the files are.

    Raises
    ------
    LookupError
        No night was published in the folder.
    """
    if not (folder / "index.json").exists():
        raise LookupError(f"expected a night published in {folder}, found none")
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    with (folder / "alerts.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    console.print(_tabulate_alerts(rows, index))
    for hazard in ("flood", "drought"):
        of_hazard = [row for row in rows if row["hazard"] == hazard]
        cities_by_reason: dict[str, list[str]] = {}
        for row in of_hazard:
            if row["level"] == "unknown":
                cancelled = row["reasons"] == "cancelled"
                reason = "its message was cancelled" if cancelled else f"missing {row['missing']}"
                cities_by_reason.setdefault(reason, []).append(row["name"])
        for reason, names in cities_by_reason.items():
            line = f"UNKNOWN {hazard} in {', '.join(names)}: {reason}."
            console.print(line, style=LEVEL_STYLES["unknown"], highlight=False)
        calm = [row["name"] for row in of_hazard if row["level"] == "none"]
        line = f"No {hazard} warning, on sufficient evidence, in {len(calm)} of "
        line += f"{len(of_hazard)} cities"
        console.print(f"{line}: {', '.join(calm)}." if calm else f"{line}.", highlight=False)
    console.print("Where there is no gauge, flood means heavy rain over the city alone.")
    # A night published before schema version 3 has the texts alone.
    texts = [row if isinstance(row, str) else row["text"] for row in index["missing"]]
    for text in dict.fromkeys(texts):
        console.print(f"Missing: {text}", highlight=False)
    console.print(f"Models {index['model_version']}, archive {index['archive_snapshot']}")
    for path in ("index.json", "feed.xml", "now.json", "alerts.geojson", "alerts.csv", "cap"):
        if (folder / path).exists():
            console.print(f"  {folder / path}", highlight=False, soft_wrap=True)


def _tabulate_alerts(rows: Iterable[dict[str, str]], index: dict[str, str]) -> Table:
    """Tabulate cities and hazards with a level, the highest level first."""
    table = Table(
        title=f"{index['status']}: alerts issued {index['issue_time']}",
        caption="P: chance of what the level is about; drivers: of the stage's change, in cm "
        "(height: a high river tends to fall).",
    )
    for name in ("City", "Hazard", "Level", "P", "Now", "Alarm / flood", "Main drivers, evidence"):
        table.add_column(name, justify="right" if name == "P" else "left")
    raised = [row for row in rows if row["level"] not in {"none", "unknown"}]
    for row in sorted(raised, key=lambda row: (LEVELS.index(row["level"]), row["hazard"])):
        table.add_row(
            f"{row['name']} {row['country']}",
            row["hazard"],
            f"[{LEVEL_STYLES[row['level']]}]{row['level']}[/]",
            _describe_chance(row),
            _describe_observed(row),
            f"{row['alarm_m']} / {row['flood_m']} m" if row["alarm_m"] else "–",
            _describe_evidence(row),
        )
    return table


def _describe_chance(row: dict[str, str]) -> str:
    """Describe the probability of the event of a level, or that it is observed."""
    if row["certainty"] == "Observed":
        return "seen"
    return f"{float(row['probability']):.0%}" if row["probability"] else "–"


def _describe_observed(row: dict[str, str]) -> str:
    """Describe the stage or drought class that was last observed."""
    if row["hazard"] == "drought":
        return row["drought_class"] or "–"
    return f"{float(row['stage_m']):.2f} m" if row["stage_m"] else "–"


def _describe_evidence(row: dict[str, str]) -> str:
    """Describe two drivers of the river or the indices of a drought, and missing evidence."""
    parts = []
    if row["hazard"] == "drought":
        for key, name in (("spi3", "SPI-3"), ("soil_moisture_percentile", "soil percentile")):
            if row[key]:
                parts.append(f"{name} {float(row[key]):.1f}")
    else:
        drivers = {
            key.removeprefix("driver_").removesuffix("_cm").replace("_", " "): float(value)
            for key, value in row.items()
            if key.startswith("driver_") and value
        }
        strongest = sorted(drivers.items(), key=lambda driver: -abs(driver[1]))[:2]
        parts += [f"{name} {value:+.0f}" for name, value in strongest]
        if row["rain_return_period_years"] and float(row["rain_return_period_years"]) >= 2:
            parts.append(f"rain 1 in {float(row['rain_return_period_years']):.0f} y")
    if row["missing"]:
        parts.append(f"missing: {row['missing']}")
    return ", ".join(parts)


_DESCRIPTIONS: dict[str, Callable[..., str]] = {
    "Simulated": describe_simulated,
    "Trained": describe_trained,
    "Ingested": describe_ingested,
    "Assessed": describe_assessed,
    "JobResult": describe_indices,
    "Forecast": describe_forecast,
    "Published": describe_published,
    "Verified": describe_verified,
}
"""By the name of the result's class, so that no step's modules are imported."""
