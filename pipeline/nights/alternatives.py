"""What a night would have decided with a source left out, other threshold stages or other rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from models import registry
from models.stage.names import HIGHEST
from pipeline.alerts.decision import Decision
from pipeline.alerts.thresholds import Rules
from pipeline.exchange.messages import list_cancelled
from pipeline.geography.place_search import find_gauge
from pipeline.geography.places import Station
from pipeline.geography.reference_schema import TABLES
from pipeline.issuance import products
from pipeline.issuance.bundle import read_earlier_alerts
from pipeline.issuance.decide import decide_cities
from pipeline.issuance.forecast_tables import read_forecasts
from pipeline.issuance.forecasts import forecast_droughts, forecast_stages
from pipeline.issuance.snapshot import NO_MODELS, open_snapshot
from pipeline.nights.withheld import find_sources, withhold
from pipeline.settings import Settings

Thresholds = Mapping[str, Mapping[str, float]]
"""``alarm`` or ``flood`` stage, or both, m above the gauge's zero, by city or gauge."""
STAGES = ("alarm", "flood")
SHARE = (0.0, 1.0)
"""Bounds of a probability."""
NIGHTS = 4
"""Nights for which a source is left out by default: those whose rain is summed from half-hours."""


def decide_again(
    run: dict[str, Any],
    settings: Settings,
    *,
    without: str | Collection[str] = (),
    nights: int = NIGHTS,
    thresholds: Thresholds | None = None,
    rules: Mapping[str, float | timedelta] | None = None,
) -> list[Decision]:
    """Decide a night again in memory; nothing is written.

    Parameters
    ----------
    run
        Row in the table of runs.
    settings
        Where the stores and the models are.
    without
        Sources, by id or its beginning (``imerg``), of which nothing came in the last nights. The
        forecasts are then made again by the night's models; else they are those issued.
    nights
        Number of these nights.
    thresholds
        Other threshold stages. The probabilities of reaching them are read from the quantiles of
        the highest stage, good to 0.02; beyond these they are 0 or 1.
    rules
        Other values of :class:`pipeline.alerts.thresholds.Rules` for every city; times in hours.

    Returns
    -------
    list of Decision
        Flood and drought of every city, after the levels that the night before had issued.

    Raises
    ------
    LookupError
        A source, a city, a kind of stage or a rule is not known, or the city has no gauge.
    ValueError
        A stage or a rule is no number within the bounds of the reference tables, a gauge is given
        twice, an alarm stage lies above the flood stage, or as of
        ``pipeline.nights.withheld.withhold``.
    """
    sources = find_sources(without)
    gauges = _change_gauges(thresholds or {}, run, settings)
    changed_rules = _check_rules(rules or {})
    models: dict[str, Any] = {}
    if run["model_version"] != NO_MODELS:
        names = None if sources else products.MODELS
        models, _ = registry.load(settings.models_dir, run["model_version"], names=names)
    snapshot = open_snapshot(run, models, settings)
    if sources:
        snapshot = withhold(snapshot, sources, nights=nights)
        stages, droughts = forecast_stages(snapshot), forecast_droughts(snapshot)
    else:
        stages, droughts = read_forecasts(snapshot.records, run)
    before, revisions = read_earlier_alerts(snapshot.records, run)
    return decide_cities(
        snapshot,
        _reach_stages(stages, gauges),
        droughts,
        rain=products.assess_city_rain(snapshot, products.compute_risk_indices(snapshot)),
        before=before,
        revisions=revisions,
        cancelled=list_cancelled(snapshot.records, run),
        changed_gauges={code: gauge for code, (gauge, _) in gauges.items()},
        changed_rules=changed_rules,
    )


def compare_levels(decisions: Collection[Decision], issued: pd.DataFrame) -> pd.DataFrame:
    """Set the levels of decisions beside those issued.

    Parameters
    ----------
    decisions
        From :func:`decide_again`.
    issued
        Columns city, hazard, level and level_in_force.

    Returns
    -------
    pandas.DataFrame
        A row per city and hazard: ``level`` and ``in_force``, ``level_issued`` and
        ``in_force_issued``, ``changed`` (whether the level differs), ``reasons`` and ``missing`` of
        the new one, keys parted by spaces.
    """
    rows = pd.DataFrame(
        {
            "city": decision.city.id,
            "name": decision.city.name,
            "hazard": decision.hazard,
            "level": decision.level.value,
            "in_force": decision.in_force.value,
            "reasons": " ".join(decision.reasons),
            "missing": " ".join(decision.missing),
        }
        for decision in decisions
    )
    known = issued[["city", "hazard", "level", "level_in_force"]]
    known = known.rename(columns={"level": "level_issued", "level_in_force": "in_force_issued"})
    rows = rows.merge(known, on=["city", "hazard"], how="left")
    rows["changed"] = (rows["level"] != rows["level_issued"]) | (
        rows["in_force"] != rows["in_force_issued"]
    )
    return rows[["city", "name", "hazard", "level_issued", "level", "in_force_issued", "in_force",
                 "changed", "reasons", "missing"]]  # fmt: skip


def _change_gauges(
    thresholds: Thresholds, run: Mapping[str, Any], settings: Settings
) -> dict[str, tuple[Station, frozenset[str]]]:
    """Gauges with other stages, and the kinds of stages that differ, by code."""
    gauges: dict[str, tuple[Station, frozenset[str]]] = {}
    for city, stages_m in thresholds.items():
        gauge = find_gauge(city, region=settings.region, asof=run["issue_time"])
        if unknown := sorted(set(stages_m) - set(STAGES)):
            raise LookupError(
                f"{city}: expected stages of {', '.join(STAGES)}, found {', '.join(unknown)}"
            )
        changed = replace(
            gauge,
            alarm_m=stages_m.get("alarm", gauge.alarm_m),
            flood_m=stages_m.get("flood", gauge.flood_m),
        )
        bounds = TABLES["thresholds.csv"].bounds
        for kind, stage_m in stages_m.items():
            _check_number(f"{city}, {kind}", stage_m, bounds[kind])
        if gauge.code in gauges:
            raise ValueError(f"thresholds: expected {gauge.name} ({gauge.code}) once")
        alarm_m, flood_m = changed.alarm_m, changed.flood_m
        if alarm_m is not None and flood_m is not None and alarm_m > flood_m:
            raise ValueError(
                f"{city}: expected alarm <= flood stage, found {alarm_m} m > {flood_m} m"
            )
        gauges[gauge.code] = changed, frozenset(stages_m)
    return gauges


def _check_rules(rules: Mapping[str, float | timedelta]) -> dict[str, float | timedelta]:
    """Check names of rules, and take numbers of hours for times."""
    of_times = {field.name for field in fields(Rules) if field.type == "timedelta"}
    known = [field.name for field in fields(Rules)]
    checked = dict[str, float | timedelta]()
    for name, value in rules.items():
        if name not in known:
            near = get_close_matches(name, known, n=3) or known
            raise LookupError(f"rules: expected one of {', '.join(near)}, found {name!r}")
        in_hours = value / timedelta(hours=1) if isinstance(value, timedelta) else value
        _check_number(f"rules, {name}", in_hours, TABLES["alert_rules.csv"].bounds.get(name, SHARE))
        as_time = name in of_times and not isinstance(value, timedelta)
        checked[name] = timedelta(hours=float(value)) if as_time else value  # type: ignore[arg-type]
    return checked


def _check_number(place: str, value: object, bounds: tuple[float, float]) -> None:
    """Check that a value is a number within bounds; NaN and infinities are not."""
    lowest, highest = bounds
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not lowest <= value <= highest:  # type: ignore[operator]
        raise ValueError(
            f"{place}: expected a number from {lowest:g} to {highest:g}, found {value!r}"
        )


def _reach_stages(
    stages: pd.DataFrame, gauges: Mapping[str, tuple[Station, frozenset[str]]]
) -> pd.DataFrame:
    """Replace the probabilities of the stages that differ, from quantiles of the highest stage."""
    if stages.empty or not gauges:
        return stages
    stages = stages.copy()
    for code, (gauge, kinds) in gauges.items():
        rows = stages[stages["station"] == code].sort_values("lead_days")
        for kind in kinds:
            mark_m = gauge.alarm_m if kind == "alarm" else gauge.flood_m
            stages.loc[rows.index, f"p_{kind}_by"] = _exceed(rows, mark_m)
        # Of two stages one may have kept the probability that the model gave: they must not cross.
        alarm, flood = (
            stages.loc[rows.index, f"p_{kind}_by"].to_numpy("float64") for kind in STAGES
        )
        if kinds == {"alarm"}:
            stages.loc[rows.index, "p_alarm_by"] = np.fmax(alarm, flood)
        elif kinds == {"flood"}:
            stages.loc[rows.index, "p_flood_by"] = np.fmin(flood, alarm)
    return stages


def _exceed(rows: pd.DataFrame, mark_m: float | None) -> list[float]:
    """P(highest stage up to each lead at or above a stage); NaN where it was not forecast."""
    if "highest_m" not in rows or mark_m is None:
        return [np.nan] * len(rows)
    levels = list(HIGHEST.values())
    quantiles = [[row.get(name, np.nan) for name in HIGHEST] for row in rows["highest_m"]]
    p = [
        1.0 - float(np.interp(mark_m, of_lead, levels, left=0.0, right=1.0))
        if np.isfinite(of_lead).all()
        else np.nan
        for of_lead in quantiles
    ]
    return [float(share) for share in np.maximum.accumulate(p)]
