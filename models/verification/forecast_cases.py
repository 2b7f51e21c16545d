"""Forecasts as issued beside what came at their valid time: one row per city, event and lead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.climatology import WET_MONTHS
from models.verification.alarms import event_days, find_unmatched, match_tolerance_d
from models.verification.as_issued import Issued
from models.verification.outcomes import DROUGHTS, FLOODS, Event, Series, find_cities
from models.verification.return_levels import RETURN_YEARS
from pipeline.alerts.thresholds import rules_for
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.geography.reference_tables import group_by_edition

DROUGHT_TOLERANCE_D = 7
"""Days by which the forecast of a drought class may be early or late and still is a hit."""
RETURN_TOLERANCE_D = 2
"""The same of a return level, at every lead."""
GROUP = ["origin", "status", "city", "lead_days"]


def list_flood_cases(
    issued: Issued, readings: pd.DataFrame, return_levels: Mapping[str, Mapping[int, float]]
) -> Iterator[tuple[Event, pd.DataFrame]]:
    """List the stage forecasts with a reading at their valid time, by event.

    A level's event is its threshold stage at every lead that the level looks ahead; a return level
    is forecast by the median and has no probability.

    Parameters
    ----------
    issued
        Forecasts.
    readings
        Readings that may be used: station, valid_time, value in m, origin. One that was not
        measured settles no measured forecast.
    return_levels
        Stage in m by station and return period in years.

    Yields
    ------
    tuple
        The event, and its cases: origin, status, city, lead_days, issue_time, valid_time, observed,
        threshold, p and least_p (from which the level is given; NaN of a return level), declared,
        reached, persisted (whether the last reading at issue had reached it; NaN without one), wet.
    """
    observed = readings[["station", "valid_time", "value", "origin"]]
    observed = observed.rename(columns={"value": "observed", "origin": "reading_origin"})
    rows = issued.stages.merge(observed, on=["station", "valid_time"])
    rows = rows[(rows["origin"] != "measured") | (rows["reading_origin"] == "measured")]
    issue_times = pd.DatetimeIndex(rows["issue_time"])
    marks = threshold_stages(rows["station"], issue_times)
    rows = rows.assign(
        city=find_cities(rows["station"], issue_times),
        wet=rows["valid_time"].dt.month.isin(WET_MONTHS),
        **{f"{name}_m": mark for name, mark in marks.items()},
    )
    rows = rows[rows["city"].notna()].sort_values(["city", "lead_days", "issue_time"])
    least_p = find_least_probabilities(rows, [event.rule for event in FLOODS])
    for event in FLOODS:
        cases = rows.assign(
            threshold=rows[f"{event.name}_m"],
            p=rows[f"p_{event.name}"],
            least_p=least_p[event.rule],
        )
        cases = cases[(cases["lead_days"] <= event.horizon_d) & cases["threshold"].notna()]
        cases = cases[cases["p"].notna()]
        yield event, _finish(cases, cases["p"] >= cases["least_p"], cases["stage_m"])
    for years in RETURN_YEARS:
        levels = {code: of_station[years] for code, of_station in return_levels.items()}
        cases = rows.assign(
            threshold=rows["station"].map(levels).astype("float64"), p=np.nan, least_p=np.nan
        )
        cases = cases[cases["threshold"].notna() & cases["q50"].notna()]
        event = Event(
            hazard="flood", level=None, name=f"{years}_year", horizon_d=7,
            merge_d=FLOODS[0].merge_d,
        )  # fmt: skip
        yield event, _finish(cases, cases["q50"] >= cases["threshold"], cases["stage_m"])


def list_drought_cases(
    issued: Issued, series: Mapping[str, Series]
) -> Iterator[tuple[Event, pd.DataFrame]]:
    """List the drought forecasts with a class of the night of their valid time, by event.

    Parameters
    ----------
    issued
        Forecasts.
    series
        Drought class of each city by night.

    Yields
    ------
    tuple
        As :func:`list_flood_cases`.
    """
    rows = issued.droughts.assign(
        day=issued.droughts["issue_time"].dt.normalize(),
    )
    rows["valid_time"] = rows["day"] + pd.to_timedelta(rows["lead_days"], unit="D")
    observed = pd.DataFrame(
        {
            "city": np.repeat(
                np.array(list(series), dtype=object),
                [len(of_city.times) for of_city in series.values()],
            ),
            "valid_time": _join([of_city.times for of_city in series.values()], "M8[ns]"),
            "observed": _join([of_city.values for of_city in series.values()], "float64"),
        }
    )
    observed["valid_time"] = observed["valid_time"].dt.normalize()
    rows = rows.merge(observed.drop_duplicates(["city", "valid_time"]), on=["city", "valid_time"])
    rows = rows.assign(wet=rows["valid_time"].dt.month.isin(WET_MONTHS))
    rows = rows.sort_values(["city", "lead_days", "issue_time"])
    least_p = find_least_probabilities(rows, ["drought_p"])["drought_p"]
    for event in DROUGHTS:
        cases = rows.assign(
            threshold=float(event.name[1:]), p=rows[f"p_{event.name.lower()}"], least_p=least_p
        )
        cases = cases[cases["p"].notna()]
        yield event, _finish(cases, cases["p"] >= cases["least_p"], cases["current_class"])


def _join(arrays: Sequence[np.ndarray], dtype: str) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *arrays])


def _finish(cases: pd.DataFrame, declared: pd.Series, now: pd.Series) -> pd.DataFrame:
    columns = [*GROUP, "issue_time", "valid_time", "observed", "threshold", "p", "least_p", "wet"]
    return cases[columns].assign(
        declared=declared,
        reached=cases["observed"] >= cases["threshold"],
        persisted=(now >= cases["threshold"]).astype("float64").where(now.notna()),
    )


def find_least_probabilities(rows: pd.DataFrame, rules: Sequence[str]) -> dict[str, np.ndarray]:
    """Find the probabilities from which levels are given, of each row's city as of its issue time.

    Parameters
    ----------
    rows
        Columns city and issue_time (naive UTC).
    rules
        Names of the fields of :class:`pipeline.alerts.thresholds.Rules`.

    Returns
    -------
    dict
        Probabilities by rule, shape (n_rows,).
    """
    of_row, ids = pd.factorize(rows["city"])
    values = {rule: np.full(len(rows), np.nan) for rule in rules}
    for moment, part in group_by_edition(rows["issue_time"].to_numpy("M8[ns]")):
        of_cities = [rules_for(city, asof=moment) for city in ids]
        for rule, of_rows in values.items():
            by_city = np.array([getattr(of_city, rule) for of_city in of_cities], dtype="float64")
            of_rows[part] = by_city[of_row[part]]
    return values


def count_events(event: Event, cases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the hits, misses and false alarms of each city and lead, as events.

    Crossings of the threshold observed and declared are matched one to one, within the days that
    :func:`models.verification.alarms.match_tolerance_d` allows for a flood level.

    Parameters
    ----------
    event, cases
        From :func:`list_flood_cases` or :func:`list_drought_cases`.

    Returns
    -------
    tuple of DataFrame
        ``GROUP``, hits, misses, false_alarms; and the cases of the days on which the missed events
        began.
    """
    reached, declared = (cases[name].to_numpy(dtype=bool) for name in ("reached", "declared"))
    times = cases["valid_time"].to_numpy("M8[D]")
    counts = list[list[Any]]()
    rows_missed = [np.empty(0, dtype=np.int64)]
    by_key: dict[Any, Any] = dict(cases.groupby(GROUP).indices)
    for key, of_key in by_key.items():
        rows = np.asarray(of_key, dtype=np.int64)
        tolerance_d = match_tolerance_d(int(key[-1]))
        if event.level is None:
            tolerance_d = RETURN_TOLERANCE_D
        elif event.hazard == "drought":
            tolerance_d = DROUGHT_TOLERANCE_D
        days = pd.Series(times[rows])
        observed = event_days(days, reached[rows], merge_d=event.merge_d)
        forecast = event_days(days, declared[rows], merge_d=event.merge_d)
        missed = find_unmatched(observed, forecast, tolerance_d)
        hits = len(observed) - len(missed)
        counts.append([*key, hits, len(missed), len(forecast) - hits])
        if missed:
            of_missed = np.isin(times[rows].astype("int64"), missed)
            rows_missed.append(rows[of_missed])
    table = pd.DataFrame(counts, columns=[*GROUP, "hits", "misses", "false_alarms"])
    return table, cases.iloc[np.concatenate(rows_missed)]
