"""Scores of forecasts and warnings as issued, against later readings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray

from models.verification.metrics import persistence_index, squared_error
from pipeline.alerts import track_record
from pipeline.geography import places
from pipeline.geography.reference_tables import group_by_edition
from pipeline.quality.selection import select_used
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.times import utc64


@dataclass(frozen=True)
class CityScore:
    """Score of stage forecasts at a city's gauge by lead; ``cp`` None if stages were constant."""

    city: str
    lead_days: int
    forecasts: int
    rmse_m: float
    cp: float | None
    cover80: float


@dataclass(frozen=True)
class LevelScore:
    """Number of settled flood warnings of one city and level, and of hits."""

    city: str
    level: str
    issued: int
    hits: int


@dataclass(frozen=True)
class DroughtScore:
    """Score of forecasts of class D1 or drier by horizon, over all zones."""

    horizon_weeks: int
    forecasts: int
    events: int
    brier: float


def list_issued_runs(
    store: Records, *, asof: datetime, since: datetime
) -> dict[datetime, dict[str, Any]]:
    """List the runs that were issued by a moment, by issue time, the newest first.

    A run is issued once its alerts are. Of an issue time the last revision counts that was sent by
    ``asof``. A run made after a later night was issued warned nobody and is left out.

    Parameters
    ----------
    store
        Tables.
    asof
        Moment of the question; issue times from it on are left out.
    since
        First issue time.
    """
    table = database.alerts
    query = sa.select(table.c.issue_time, table.c.revision).where(
        table.c.issue_time >= since, table.c.issue_time < asof
    )
    with store.database.engine.connect() as connection:
        issued = {(row[0], row[1]) for row in connection.execute(query.distinct())}
    last: dict[datetime, dict[str, Any]] = {}
    for run in store.runs():  # the last revision of an issue time comes first
        sent = run["sent"] or run["issue_time"]
        if (run["issue_time"], run["revision"]) in issued and not run["late"] and sent <= asof:
            last.setdefault(run["issue_time"], run)
    return last


def score_runs(store: Records, *, asof: datetime, window: timedelta) -> pd.DataFrame:
    """Score the stage forecasts of each issued run that are due, and store the scores.

    Runs in the window are scored again, for late and corrected readings; older runs of the scored
    seasons only if they have no scores yet.

    Parameters
    ----------
    store
        Tables.
    asof
        Forecasts for a time up to this moment are compared with the reading known by then.
    window
        Length of the window.

    Returns
    -------
    DataFrame
        The scores of the window.
    """
    start = asof - window
    since = track_record.season_start(asof)
    stored = store.all_scores()
    known = set(zip(stored["issue_time"], stored["revision"], strict=True))
    due = [
        run
        for run in list_issued_runs(store, asof=asof, since=min(start, since)).values()
        if run["issue_time"] >= start or (run["issue_time"], run["revision"]) not in known
    ]
    if not due:
        return pd.DataFrame()
    first = min(run["issue_time"] for run in due)
    readings = select_used(store.readings.read("stage", asof=asof, start=first))
    observed = readings.set_index(["station", "valid_time"])["value"].to_dict()
    scores = []
    for run in due:
        rows = []
        for forecast in store.get(database.stage_forecasts, run["issue_time"], run["revision"]):
            key = forecast["station"], pd.Timestamp(utc64(forecast["valid_time"]))
            row = forecast["row"]
            if key not in observed or row["q50"] is None:
                continue
            observed_m = observed[key]
            # Squared errors are of the mean; runs before it was published have only the median.
            mean = row.get("mean_m")
            point = row["q50"] if mean is None else mean
            persistence = None if row["stage_m"] is None else row["stage_m"] - observed_m
            rows.append(
                {
                    "station": forecast["station"],
                    "lead_days": forecast["lead_days"],
                    "observed_m": observed_m,
                    "error_m": point - observed_m,
                    "persistence_error_m": persistence,
                    "inside_80": row["q10"] <= observed_m <= row["q90"],
                }
            )
        store.put(database.scores, run["issue_time"], run["revision"], rows)
        scores += rows if run["issue_time"] >= start else []
    return pd.DataFrame(scores)


def pool_scores(scores: pd.DataFrame) -> dict[str, Any]:
    """Pool scores of stage forecasts: number, RMSE, persistence index and coverage.

    Parameters
    ----------
    scores
        From :func:`score_runs`, at least one.

    Returns
    -------
    dict
        ``forecasts``, ``rmse_m``, ``cp`` (None if stages were constant) and ``cover80``.
    """
    with_persistence = scores.dropna(subset="persistence_error_m")
    cp = float(
        persistence_index(with_persistence["error_m"], with_persistence["persistence_error_m"])
    )
    return {
        "forecasts": len(scores),
        "rmse_m": float((scores["error_m"] ** 2).mean() ** 0.5),
        "cp": None if np.isnan(cp) else cp,
        "cover80": float(scores["inside_80"].mean()),
    }


def score_cities(store: Records, *, asof: datetime) -> list[CityScore]:
    """Score every city and lead over the scored seasons, from the runs that were issued.

    A forecast belongs to the city that had its gauge as of its issue time.
    """
    frame = store.all_scores()
    if frame.empty:
        return []
    issued = pd.to_datetime(frame["issue_time"], utc=True).dt.tz_convert(None)
    valid = issued.dt.normalize() + pd.to_timedelta(frame["lead_days"], unit="D")
    end, since = (pd.Timestamp(utc64(moment)) for moment in (asof, track_record.season_start(asof)))
    frame = frame[(issued >= since) & (issued < end) & (valid <= end)]
    runs = list_issued_runs(store, asof=asof, since=track_record.season_start(asof)).values()
    last = {(run["issue_time"], run["revision"]) for run in runs}
    keys = zip(frame["issue_time"], frame["revision"], strict=True)
    frame = frame[pd.Series([key in last for key in keys], frame.index, dtype=bool)]
    frame = frame.sort_values(["issue_time", "station", "lead_days"])
    frame = frame.assign(city=_find_cities(frame))
    scores = [
        CityScore(str(city), int(str(lead)), **pool_scores(part))
        for (city, lead), part in frame.groupby(["city", "lead_days"])
    ]
    order = list(places.cities(asof=asof))
    return sorted(scores, key=lambda score: (order.index(score.city), score.lead_days))


def _find_cities(scores: pd.DataFrame) -> NDArray[np.object_]:
    """Find the city that had each score's gauge as of its issue time; None without one."""
    cities = np.full(len(scores), None, dtype=object)
    issued = pd.to_datetime(scores["issue_time"], utc=True).dt.tz_convert(None)
    for moment, rows in group_by_edition(issued.to_numpy()):
        ids = {code: city.id for code, city in places.cities_by_gauge(asof=moment).items()}
        cities[rows] = [ids.get(code) for code in scores["station"].iloc[rows]]
    return cities


def score_levels(store: Records, *, asof: datetime) -> list[LevelScore]:
    """Count each city's flood warnings that are settled, and the hits among them."""
    since = track_record.season_start(asof)
    last = store.last_issued(before=asof)
    follows = None if last is None else [last[0].isoformat(), last[1]]
    nights = track_record.read_nights(store, follows, since=since)
    readings = select_used(store.readings.read("stage", asof=asof, start=since))
    tally = track_record.count_hits(nights, readings, asof=asof)
    return [
        LevelScore(city, level.value, issued, hits)
        for (city, level), (issued, hits) in tally.items()
        if issued
    ]


def score_drought(store: Records, *, asof: datetime) -> list[DroughtScore]:
    """Score P(class ≥ D1) as issued against the class of the night of its valid time."""
    runs = list_issued_runs(store, asof=asof, since=track_record.season_start(asof))
    issued: list[tuple[str, int, np.datetime64, float]] = []
    outcome: dict[tuple[str, np.datetime64], bool] = {}
    for moment, run in runs.items():
        day = utc64(moment).astype("datetime64[D]")
        for row in store.get(database.drought_forecasts, moment, run["revision"]):
            current_class, p = row["row"]["current_class"], row["row"]["p_d1"]
            if current_class not in {None, "unknown"}:
                outcome[row["zone"], day] = current_class in {"D1", "D2", "D3", "D4"}
            if p is not None:
                valid = day + np.timedelta64(7 * row["horizon_weeks"], "D")
                issued.append((row["zone"], row["horizon_weeks"], valid, p))
    pairs = pd.DataFrame(
        [
            (weeks, p, outcome[zone, valid])
            for zone, weeks, valid, p in issued
            if (zone, valid) in outcome
        ],
        columns=["weeks", "p", "reached"],
    )
    return [
        DroughtScore(
            int(str(weeks)),
            len(part),
            int(part["reached"].sum()),
            float(squared_error(part["p"], part["reached"].astype(float)).mean()),
        )
        for weeks, part in pairs.groupby("weeks")
    ]
