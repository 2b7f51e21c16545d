"""Scoreboard of what was issued: hits, misses, false alarms and scores by city, level and lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

import numpy as np
import pandas as pd

from models.verification.alarms import LEAST_CASES, alarm_rates
from models.verification.as_issued import Issued, level_before, read_issued
from models.verification.forecast_cases import (
    GROUP,
    count_events,
    list_drought_cases,
    list_flood_cases,
)
from models.verification.ground_truth import EVERY_CITY, count_outcomes, match_reports
from models.verification.metrics import firm_penalty, rate, skill_score, squared_error
from models.verification.outcomes import (
    DROUGHTS,
    FLOODS,
    Event,
    Series,
    make_class_series,
    make_stage_series,
)
from models.verification.reliability import BINS
from models.verification.return_levels import (
    RETURN_YEARS,
    estimate_return_level,
    find_annual_maxima,
)
from models.verification.warning_cases import list_warning_cases
from pipeline.alerts.decision import Hazard
from pipeline.alerts.levels import RAISED
from pipeline.alerts.track_record import season_start
from pipeline.choices import Change
from pipeline.geography.places import cities
from pipeline.ground_reports.reports import GroundReports
from pipeline.quality.selection import select_used
from pipeline.storage.records import Records
from pipeline.times import format_utc, from_utc64, naive_timestamp

KEYS = ["origin", "status", "city", "hazard", "level", "event", "lead_days"]
"""What names a row; no lead: the warning itself, over all days that its level looks ahead."""
SUMS = ["cases", "reached", "hits", "misses", "false_alarms", "p_cases", "brier", "brier_base",
        "now_cases", "brier_now", "brier_persistence", "firm_cases", "firm"]  # fmt: skip
SCORE_COLUMNS = [
    *KEYS, "since", "until", "cases", "reached", "hits", "misses", "false_alarms", "pod", "far",
    "csi", "f1", "brier", "brier_skill_base_rate", "brier_skill_persistence", "firm",
    "lead_time_median_h", "lead_times_h",
]  # fmt: skip
MISS_COLUMNS = [
    *KEYS, "reached_time", "threshold_m", "highest_m", "highest_class", "level_in_force", "p",
]  # fmt: skip
RELIABILITY_COLUMNS = [*KEYS, "p_from", "p_to", "p_mean", "share_reached", "cases", "reached"]
WARNING_COLUMNS = [
    "origin", "status", "month", "city", "hazard", "level", "change", "messages", "cancelled",
]  # fmt: skip
HAZARDS = list(get_args(Hazard))
LEVELS = [*(level.value for level in RAISED), ""]
CHANGES = list(get_args(Change))
CONTEXT = timedelta(days=10)
"""Time before the first night from which readings count: an event may have begun before it."""


@dataclass(frozen=True)
class Scoreboard:
    """What the nights of the last seasons had issued, against what came.

    Parameters
    ----------
    asof, since
        Moment of the question, and the first night that counts.
    scores
        ``SCORE_COLUMNS``, one row per city, hazard, level, event and lead; no rate or score from
        fewer than ten events.
    misses
        ``MISS_COLUMNS``, one row per event that ``scores`` counts as missed.
    reliability
        ``RELIABILITY_COLUMNS``, one row per row of ``scores`` and bin that holds a forecast.
    warnings
        ``WARNING_COLUMNS``, messages sent by month, city, hazard, level and change.
    reports
        Reports from the ground by city against the flood level in force
        (:func:`models.verification.ground_truth.count_outcomes`).
    """

    asof: datetime
    since: datetime
    scores: pd.DataFrame
    misses: pd.DataFrame
    reliability: pd.DataFrame
    warnings: pd.DataFrame
    reports: pd.DataFrame


def make_scoreboard(records: Records, *, asof: datetime) -> Scoreboard:
    """Make the scoreboard of the last seasons from the archive of what was issued.

    Nothing that became known later than ``asof`` counts, nor the runs from ``asof`` on.

    Parameters
    ----------
    records
        Tables.
    asof
        Moment of the question: for a night its issue time.
    """
    since = season_start(asof)
    issued = read_issued(records, asof=asof, since=since)
    readings = select_used(records.readings.read("stage", asof=asof))
    return_levels = {
        code: {years: estimate_return_level(maxima, years) for years in RETURN_YEARS}
        for code, maxima in find_annual_maxima(readings, asof=asof).items()
    }
    recent = readings[readings["valid_time"] >= naive_timestamp(since - CONTEXT)]
    stages = make_stage_series(recent, return_levels)
    measured = make_stage_series(recent[recent["origin"] == "measured"], return_levels)
    classes = make_class_series(issued.droughts)
    cases_of, counts_of = list[pd.DataFrame](), list[pd.DataFrame]()
    misses = list[dict[str, Any]]()
    forecasts = (
        (list_flood_cases(issued, recent, return_levels), stages),
        (list_drought_cases(issued, classes), classes),
    )
    for cases_by_event, by_city in forecasts:
        for event, cases in cases_by_event:
            counts, missed = count_events(event, cases)
            misses += _describe_misses(event, missed, by_city, issued)
            cases_of.append(cases.assign(**_name(event)))
            counts_of.append(counts.assign(**_name(event)))
    for (origin, status), nights in issued.nights.groupby(["origin", "status"]):
        of_floods = measured if origin == "measured" else stages
        for event in (*FLOODS, *DROUGHTS):
            warned = list_warning_cases(
                event,
                of_floods if event.hazard == "flood" else classes,
                issued,
                nights=nights["issue_time"],
                asof=asof,
            )
            group = {"origin": str(origin), "status": str(status)} | _name(event)
            cases_of.append(warned.cases.assign(**group, lead_days=0))
            counts_of.append(warned.counts.assign(**group, lead_days=0))
            misses += [group | {"lead_days": 0} | miss for miss in warned.misses]
    cases = pd.concat(cases_of, ignore_index=True)
    scores = _score(_sum_cases(cases, pd.concat(counts_of)), issued.nights)
    reported = GroundReports(records.database).read(asof=asof, start=since)
    matched = match_reports(reported, issued, cities=cities("asean", asof=asof))
    return Scoreboard(
        asof=asof,
        since=since,
        scores=scores,
        misses=_sort(pd.DataFrame(misses, columns=MISS_COLUMNS), ["reached_time"]),
        reliability=_withhold_shares(_tabulate_bins(cases), scores),
        warnings=_count_messages(issued.messages),
        reports=_sort(count_outcomes(matched)),
    )


def _name(event: Event) -> dict[str, str]:
    level = event.level.value if event.level else ""
    return {"hazard": event.hazard, "level": level, "event": event.name}


def _describe_misses(
    event: Event, missed: pd.DataFrame, by_city: Mapping[str, Series], issued: Issued
) -> Iterator[dict[str, Any]]:
    """Describe the missed events of forecasts."""
    for case in missed.to_dict("records"):
        start = np.datetime64(case["valid_time"])
        highest, _ = by_city[case["city"]].find_highest(event, start)
        timeline = issued.timelines.get((case["city"], event.hazard), ())
        flood = event.hazard == "flood"
        yield {
            **{name: case[name] for name in GROUP},
            **_name(event),
            "reached_time": case["valid_time"],
            "threshold_m": case["threshold"] if flood else np.nan,
            "highest_m": highest if flood else np.nan,
            "highest_class": "" if flood else f"D{highest:.0f}",
            "level_in_force": level_before(timeline, from_utc64(start)).value,
            "p": case["p"],
        }


def _sum_cases(cases: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Add up the cases of each city, event and lead, and join the counts of events."""
    reached = cases["reached"].astype("float64")
    season = [cases[name] for name in (*KEYS, "wet")]
    with_p, with_now = cases["p"].notna(), cases["p"].notna() & cases["persisted"].notna()
    base_rate = reached.where(with_p).groupby(season).transform("mean")
    brier = squared_error(cases["p"], reached)
    penalty = firm_penalty(
        cases["declared"].to_numpy(dtype=bool), cases["reached"].to_numpy(dtype=bool),
        cases["least_p"].to_numpy("float64"),
    )  # fmt: skip
    firm = pd.Series(penalty, cases.index).where(cases["least_p"].notna())
    parts = cases[KEYS].assign(
        cases=1, reached=reached, p_cases=with_p, brier=brier,
        brier_base=squared_error(base_rate, reached).where(with_p), now_cases=with_now,
        brier_now=brier.where(with_now),
        brier_persistence=squared_error(cases["persisted"], reached).where(with_now),
        firm_cases=firm.notna(), firm=firm,
    )  # fmt: skip
    events = counts.astype({"lead_days": "int64"}).set_index(KEYS)
    sums = parts.groupby(KEYS).sum().join(events, how="outer")
    numbers = sums[SUMS].fillna(0.0).astype("float64")
    of_rows = sums["lead_times_h"] if "lead_times_h" in sums else [()] * len(sums)
    leads = [of_row if isinstance(of_row, tuple) else () for of_row in of_rows]
    numbers["lead_times_h"] = pd.Series(leads, numbers.index, dtype=object)
    return numbers.reset_index()


def _score(sums: pd.DataFrame, nights: pd.DataFrame) -> pd.DataFrame:
    """Compute the scores of each row and of all cities together, from ten events up."""
    pooled_keys = [name for name in KEYS if name != "city"]
    pooled = sums.groupby(pooled_keys)[SUMS].sum()
    pooled["lead_times_h"] = [
        tuple(hours for of_city in leads for hours in of_city)
        for _, leads in sums.groupby(pooled_keys)["lead_times_h"]
    ]
    rows = pd.concat([sums, pooled.reset_index().assign(city=EVERY_CITY)], ignore_index=True)
    counts = rows.rename(columns={"hits": "hit", "misses": "miss", "false_alarms": "false_alarm"})
    hits, wrong = rows["hits"], rows["misses"] + rows["false_alarms"]
    enough = rows["hits"] + rows["misses"] >= LEAST_CASES
    leads = [pd.Series(sorted(of_row), dtype="float64") for of_row in rows["lead_times_h"]]
    scores = alarm_rates(counts).assign(
        f1=rate(2 * hits, 2 * hits + wrong),
        brier=rate(rows["brier"], rows["p_cases"]),
        brier_skill_base_rate=skill_score(rows["brier"], rows["brier_base"]),
        brier_skill_persistence=skill_score(rows["brier_now"], rows["brier_persistence"]),
        firm=rate(rows["firm"], rows["firm_cases"]),
        lead_time_median_h=[of_row.median() for of_row in leads],
    )
    span = _find_spans(nights)
    whole = ["cases", "reached", "hits", "misses", "false_alarms"]
    table = rows[KEYS].join(rows[whole].astype("int64")).join(scores.where(enough))
    table = table.merge(span, on=["origin", "status"], how="left")
    table["lead_times_h"] = [" ".join(f"{hours:.1f}" for hours in of_row) for of_row in leads]
    return _sort(table)[SCORE_COLUMNS]


def _find_spans(nights: pd.DataFrame) -> pd.DataFrame:
    """Find the first and last night of each origin and status."""
    spans = nights.groupby(["origin", "status"])["issue_time"].agg(since="min", until="max")
    return spans.map(lambda seconds: f"{pd.Timestamp(seconds, unit='s'):%Y-%m-%d}").reset_index()


def _tabulate_bins(cases: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the observed frequency by forecast probability, of each city and of all."""
    cases = cases[cases["p"].notna()]
    edges = np.digitize(cases["p"], BINS[1:-1])
    frame = cases[[*KEYS, "p"]].assign(bin=edges, reached=cases["reached"].astype("int64"))
    parts = []
    for of_cities in (frame, frame.assign(city=EVERY_CITY)):
        table = of_cities.groupby([*KEYS, "bin"]).agg(
            p_mean=("p", "mean"), share_reached=("reached", "mean"), cases=("p", "size"),
            reached=("reached", "sum"),
        )  # fmt: skip
        parts.append(table.reset_index())
    table = pd.concat(parts)
    number = table["bin"].to_numpy("int64")
    return table.assign(p_from=BINS[number], p_to=BINS[number + 1])


def _withhold_shares(bins: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Withhold the shares of rows with fewer than ten events."""
    bins = _sort(bins, ["p_from"])
    events = scores[KEYS].assign(events=scores["hits"] + scores["misses"])
    enough = bins.merge(events, on=KEYS, how="left")["events"] >= LEAST_CASES
    bins["share_reached"] = bins["share_reached"].where(enough.to_numpy())
    return bins[RELIABILITY_COLUMNS]


def _count_messages(messages: pd.DataFrame) -> pd.DataFrame:
    """Count the messages that stand and those that were withdrawn, of each city and of all."""
    every = pd.concat([messages, messages.assign(city=EVERY_CITY)])
    every["month"] = [f"{sent:%Y-%m}" for sent in every["sent"]]
    keys = [name for name in WARNING_COLUMNS if name not in {"messages", "cancelled"}]
    withdrawn = every["cancelled"].astype("int64")
    table = every[keys].assign(messages=1 - withdrawn, cancelled=withdrawn)
    return _sort(table.groupby(keys).sum().reset_index()[WARNING_COLUMNS])


def _sort(table: pd.DataFrame, within: Sequence[str] = ()) -> pd.DataFrame:
    """Sort a table by its keys: all cities first, floods before droughts, levels upwards."""
    keys = [name for name in (*WARNING_COLUMNS[:7], "event", "lead_days") if name in table]
    ranks: dict[str, Callable[[str], str | int]] = {
        "city": lambda city: "" if city == EVERY_CITY else city,
        "hazard": HAZARDS.index,
        "level": LEVELS.index,
        "change": CHANGES.index,
    }
    table = table.reset_index(drop=True)
    order = table[[*keys, *within]].copy()
    for name in ranks.keys() & set(keys):
        order[name] = [ranks[name](value) for value in order[name]]
    rows = order.sort_values([*keys, *within], kind="stable").index
    table = table.iloc[rows].reset_index(drop=True)
    if "lead_days" in table:
        leads = table["lead_days"].astype("Int64")
        table["lead_days"] = leads.mask(leads == 0)
    return table


def write_scoreboard(scoreboard: Scoreboard) -> dict[str, bytes]:
    """Write the tables of a scoreboard as CSV, by file name.

    Numbers have six significant digits; a cell is empty where there is nothing to say.
    """
    misses = scoreboard.misses.assign(
        reached_time=[
            format_utc(moment.tz_localize("UTC")) for moment in scoreboard.misses["reached_time"]
        ]
    )
    tables = {
        "scoreboard.csv": scoreboard.scores,
        "misses.csv": misses,
        "reliability.csv": scoreboard.reliability,
        "warnings.csv": scoreboard.warnings,
        "ground_reports.csv": scoreboard.reports,
    }
    return {
        name: table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
        for name, table in tables.items()
    }
