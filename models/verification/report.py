"""Report of a hindcast: one self-contained page for a hydrologist, from ``report.html``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.verification.alarms import (
    LATER_P,
    LEAST_CASES,
    MERGE_D,
    NEXT_DAY_P,
    count_crossings,
    match_tolerance_d,
    pool_alarms,
)
from models.verification.bootstrap import DRAWS, Interval
from models.verification.cases import ALTERNATIVE, ISSUED, list_methods, prepare, select_scorable
from models.verification.numerals import format_interval, format_number
from models.verification.peaks import find_peaks, pool_peaks
from models.verification.reliability import RATIOS, coverage_table, reliability_table, value_curves
from models.verification.skill import (
    Skill,
    compare_scores,
    median_skill,
    split_regimes,
    tabulate_stations,
)
from pipeline.alerts.thresholds import threshold
from pipeline.figures.canvas import Provenance, to_svg
from pipeline.figures.hydrograph import draw_highest_flood
from pipeline.figures.verification import draw_skill, draw_value, plot_reliability
from pipeline.geography.places import cities_by_gauge
from pipeline.geography.places import stations as all_stations
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.times import from_utc64

NAMES = {
    "model": "model",
    "persistence": "persistence",
    "trend": "trend",
    "climatology": "climatology",
    "damped_anomaly": "damped anomaly",
    "ar": "AR",
    "arx": "ARX",
    "reference": "reference",
    "issued": "issued",
    "alternative": "alternative",
}
"""Names of the methods in tables and pictures."""
REFERENCES = ("persistence", "climatology")
"""References of FIRM and of the CRPS above alarm stage."""
LIMITS = {
    "draws": DRAWS,
    "least_cases": LEAST_CASES,
    "merge_d": MERGE_D,
    "next_day_p": NEXT_DAY_P,
    "later_p": LATER_P,
    "tolerance_d": (match_tolerance_d(1), match_tolerance_d(7)),
}
FLOOD_LEAD_D = 3
"""Lead of the forecasts drawn with the floods, or the nearest to it, days."""


def render_report(forecasts: pd.DataFrame, *, train_from: str) -> str:
    """Render the skill of a hindcast as one self-contained HTML page.

    Parameters
    ----------
    forecasts
        From :func:`models.hindcast.run_hindcast`.
    train_from
        First date of training, for the text.

    Returns
    -------
    str
        HTML; the same forecasts give the same page. Without a forecast that can be scored it says
        only that. Alarm stages are those as of each issue time; names, and the probability at
        which a Watch begins, those as of the last.
    """
    asof = from_utc64(forecasts["issue_time"].to_numpy().max())
    scored = not select_scorable(forecasts).empty
    page = {
        "virtual": (forecasts["origin"] == "virtual").any(),
        "first": forecasts["issue_time"].min(),
        "last": forecasts["issue_time"].max(),
        "train_from": train_from,
        "scored": scored,
        "names": NAMES,
        **LIMITS,
    }
    if scored:
        page |= _fill(prepare(forecasts), asof=asof)
    return _environment().get_template("report.html").render(page)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "interval": format_interval,
        "count": "{:,}".format,
        "days": "{} d".format,
        "day": "{0.day} {0:%B %Y}".format,
        "name_of": NAMES.__getitem__,
    }
    return environment


def _fill(rows: pd.DataFrame, *, asof: datetime) -> dict[str, Any]:
    """Compute the pictures and tables of the page from prepared forecasts."""
    wet = rows[rows["wet"]]
    skill = median_skill(wet)
    methods = list_methods(rows)
    return {
        "gauges": rows["station"].nunique(),
        "leads": sorted(rows["lead_days"].unique()),
        "cases": len(rows),
        "alternative": str(rows[ALTERNATIVE].iloc[0]) if ALTERNATIVE in rows else None,
        "issued": _compare_issued(rows) if ISSUED in methods else None,
        "methods": methods,
        "other_baselines": [name for name in methods[2:] if name != "reference"],
        "skill": skill,
        "skill_figures": _draw_skill(skill),
        "reliability_figures": _draw_reliability(rows, asof=asof),
        **_draw_values(rows, asof=asof),
        **_draw_floods(rows, asof=asof),
        "alarms": _records(pool_alarms(rows)),
        "crossings": _records(count_crossings(rows)),
        "brier": _records(compare_scores(rows, "brier_model", "brier_climatology")),
        "firm": _compare(rows, "firm"),
        "firm_by_city": _compare_cities(rows, asof=asof),
        "tail": _compare(rows, "tail"),
        "peaks": _records(pool_peaks(find_peaks(rows)).reset_index()),
        "explained": _explain(rows, asof=asof),
        "by_gauge": _by_gauge(wet, asof=asof),
        "by_year": _by_year(wet),
        "regimes": _regimes(rows),
        "coverage": {
            "Wet season": _records(coverage_table(wet)),
            "All year": _records(coverage_table(rows)),
        },
    }


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _markup(drawings: Iterable[str]) -> list[Markup]:
    return [Markup(drawing) for drawing in drawings]  # noqa: S704  the project's own drawings


def _name(code: str, *, asof: datetime) -> str:
    place = all_stations(asof=asof).get(code)
    return f"{place.name} ({code})" if place else code


def _draw_skill(skill: Skill | None) -> list[Markup]:
    if skill is None:
        return []
    series = {
        NAMES[name]: np.array([(score.value, score.low, score.high) for score in scores])
        for name, scores in skill.median.items()
    }
    return _markup([draw_skill(skill.leads, series)])


def _draw_reliability(rows: pd.DataFrame, *, asof: datetime) -> list[Markup]:
    virtual = bool((rows["origin"] == "virtual").any())
    provenance = Provenance("Exercise" if virtual else None, asof, "hindcast up to this time")
    drawings = []
    for lead, part in reliability_table(rows).groupby("lead_days"):
        figure = plot_reliability(
            part, title=f"P(alarm stage), {lead} d ahead", provenance=provenance, width_px=420
        )
        drawings.append(to_svg(figure, str(figure.get_label())))
    return _markup(drawings)


def _draw_values(rows: pd.DataFrame, *, asof: datetime) -> dict[str, Any]:
    cities, by_gauge = cities_by_gauge(asof=asof), value_curves(rows)
    drawings = []
    for code, curves in by_gauge.items():
        city = cities.get(code)
        watch_p = threshold(city.id if city else EVERY_CITY, "watch", asof=asof)
        name = city.name if city else _name(code, asof=asof)
        drawings.append(draw_value(name, RATIOS, curves, watch_p))
    with_alarm = rows.loc[rows["alarm_m"].notna(), "station"].unique()
    return {
        "value_figures": _markup(drawings),
        "without_value": [_name(code, asof=asof) for code in with_alarm if code not in by_gauge],
    }


def _flood_lead(rows: pd.DataFrame) -> int:
    leads = sorted(int(lead) for lead in rows["lead_days"].unique())
    return min(leads, key=lambda lead: abs(lead - FLOOD_LEAD_D))


def _draw_floods(rows: pd.DataFrame, *, asof: datetime) -> dict[str, Any]:
    lead, drawings = _flood_lead(rows), []
    for code, part in rows.groupby("station"):
        lead_rows = part[part["lead_days"] == lead].sort_values("valid_time")
        crest = lead_rows.iloc[int(lead_rows["observed_m"].to_numpy().argmax())]
        known = {name: crest[f"{name}_m"] for name in ("alarm", "flood")}
        thresholds_m = {name: None if np.isnan(level) else level for name, level in known.items()}
        name = _name(str(code), asof=asof)
        drawings.append(draw_highest_flood(name, part, lead, thresholds_m))
    return {"flood_lead": lead, "flood_figures": _markup(drawings)}


def _compare_issued(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Set what was issued beside the model's own, by lead: wet season, Brier skill all year."""
    wet = rows[rows["wet"]]
    skill = median_skill(wet, draws=2)
    brier = {
        name: compare_scores(rows, f"brier_{name}", "brier_climatology", draws=2)
        .set_index("lead_days")["skill"]
        .to_dict()
        for name in ("model", ISSUED)
    }
    names = ["inside80", "inside95", "inside80_issued", "inside95_issued", "own_issued"]
    cps = {
        name: dict(zip(skill.leads, skill.median[name], strict=True)) if skill else {}
        for name in ("model", ISSUED)
    }
    table = []
    for row in _records(wet.groupby("lead_days")[names].mean().reset_index()):
        lead = row["lead_days"]
        cp = [of_method[lead].value if lead in of_method else None for of_method in cps.values()]
        table.append(row | {"cp": cp, "brier": [skills.get(lead) for skills in brier.values()]})
    return table


def _compare(rows: pd.DataFrame, statistic: str) -> list[dict[Any, Any]]:
    """Compare the model's mean statistic with persistence's and climatology's by lead."""
    persistence, climatology = (
        compare_scores(rows, f"{statistic}_model", f"{statistic}_{reference}")
        for reference in REFERENCES
    )
    columns = {"reference": "climatology", "skill": "skill_climatology"}
    table = persistence.rename(columns={"reference": "persistence", "skill": "skill_persistence"})
    beside = climatology.rename(columns=columns)[["lead_days", *columns.values()]]
    return _records(table.merge(beside, on="lead_days"))


def _compare_cities(rows: pd.DataFrame, *, asof: datetime) -> dict[str, list[dict[str, Any]]]:
    """Compare FIRM with each reference's, by city and lead."""
    cities = cities_by_gauge(asof=asof)
    by_gauge = {str(code): part for code, part in rows.groupby("station")}
    by_city = {cities[code]: part for code, part in by_gauge.items() if code in cities}
    return {
        reference: [
            {
                "name": city.name,
                "watch_p": threshold(city.id, "watch", asof=asof),
                "warning_p": threshold(city.id, "warning", asof=asof),
                "skill": compare_scores(part, "firm_model", f"firm_{reference}")
                .set_index("lead_days")["skill"]
                .to_dict(),
            }
            for city, part in by_city.items()
        ]
        for reference in REFERENCES
    }


def _by_gauge(wet: pd.DataFrame, *, asof: datetime) -> list[dict[str, Any]]:
    """Tabulate each lead's gauges, and count those at which the model is better."""
    if wet.empty:
        return []
    return [
        {
            "lead_days": lead,
            "better": int((part["margin"] > 0).sum()),
            "surely_better": int((part["margin_low"] > 0).sum()),
            "above_persistence": int((part["cp"] > 0).sum()),
            "rows": [
                row
                | {
                    "gauge": _name(row["station"], asof=asof),
                    "cp": Interval(row["cp"], row["low"], row["high"]),
                    "margin": Interval(row["margin"], row["margin_low"], row["margin_high"]),
                }
                for row in _records(part)
            ],
        }
        for lead, part in tabulate_stations(wet).groupby("lead_days")
    ]


def _by_year(wet: pd.DataFrame) -> dict[Any, dict[Any, Skill]]:
    """Compute the skill of each lead and year, without intervals."""
    return {
        lead: {
            year: skill
            for year, year_rows in part.groupby("year")
            if (skill := median_skill(year_rows, draws=2))
        }
        for lead, part in wet.groupby("lead_days")
    }


def _regimes(rows: pd.DataFrame) -> dict[str, Skill | None]:
    parts = split_regimes(rows)
    parts |= {f"Tier {tier}": part for tier, part in rows[rows["wet"]].groupby("tier")}
    return {title: median_skill(part) for title, part in parts.items()}


def _explain(rows: pd.DataFrame, *, asof: datetime) -> dict[str, Any] | None:
    """Tabulate the drivers of the forecast of the greatest rise; None if all were climatology."""
    known = rows[(rows["lead_days"] == _flood_lead(rows)) & (rows["tier"] != "climatology")]
    known = known[known["wet"]] if known["wet"].any() else known
    if known.empty:
        return None
    top = known.iloc[int((known["q50"] - known["stage_m"]).to_numpy().argmax())]
    same = rows[(rows["station"] == top.station) & (rows["issue_time"] == top.issue_time)]
    table = []
    for row in _records(same.sort_values("lead_days")):
        parts_cm = list(dict(row["drivers_cm"]).values())
        changes_cm = [100.0 * (row[name] - row["stage_m"]) for name in ("q50", "observed_m")]
        values_cm = [*parts_cm, sum(parts_cm), *changes_cm]
        table.append({"lead_days": row["lead_days"], "values_cm": values_cm})
    return {
        "gauge": _name(top.station, asof=asof),
        "issue_time": top.issue_time,
        "stage_m": top.stage_m,
        "kinds": [name.replace("_", " ") for name in top.drivers_cm],
        "rows": table,
    }
