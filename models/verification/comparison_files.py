"""Files of a comparison with a rival: every score as a table, and one page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.verification.alarms import LEAST_CASES, MERGE_D, match_tolerance_d
from models.verification.comparison import (
    BETTER,
    HEADLINE,
    NO_INTERVAL,
    SAME,
    WORSE,
    RivalComparison,
)
from models.verification.numerals import format_number
from models.verification.paired_counts import COUNT, POOLED
from models.verification.paired_scores import DECLARED_P
from models.verification.pairing import SIDES, THRESHOLDS
from pipeline.figures.verification import draw_scores
from pipeline.geography.places import stations

SYNTHETIC = "Exercise: from the virtual basin"
MEANINGS = {
    "mae_m": "mean absolute error of the median, m",
    "rmse_m": "root mean squared error of the mean, m",
    "spread_m": "the same with each one's mean error at the gauge taken away, m",
    "cp": "persistence index: 1 − MSE / MSE of the stage at issue",
    "skill_climatology": "1 − MSE / MSE of the season's mean in the years before",
    "nse": "Nash-Sutcliffe efficiency, mean of the gauges",
    "kge": "Kling-Gupta efficiency, mean of the gauges",
    "crps_m": "CRPS, m; of one value its absolute error",
    "pinball_m": "mean pinball loss at the quantiles that both have, m",
    "rank_correlation": "rank correlation with the observed stage, mean of the gauges",
    **{f"brier_{name}": f"Brier score of {name} stage" for name in THRESHOLDS},
    **{
        f"pod_{name}": f"share of days at {name} stage that were forecast from below it"
        for name in THRESHOLDS
    },
    **{
        f"far_{name}": f"share of such forecasts of {name} stage that were false"
        for name in THRESHOLDS
    },
    **{f"csi_{name}": f"critical success index of {name} stage" for name in THRESHOLDS},
    **{
        f"roc_{name}": f"share of pairs of days that are ranked rightly about {name} stage"
        for name in THRESHOLDS
    },
    **{
        key: text
        for name in THRESHOLDS
        for key, text in {
            f"{name}_days_hit": f"days at {name} stage, forecast from below: hits",
            f"{name}_days_false": f"days below {name} stage that were forecast at it",
            f"{name}_events_hit": f"crossings of {name} stage: hits",
            f"{name}_events_false": f"crossings of {name} stage: false",
        }.items()
    },
    "peak_late_d": "highest stages of wet seasons: median of days late",
    "peaks_missed": "highest stages at or above alarm stage: missed",
}
"""What each score and count is."""


def write_comparison(comparison: RivalComparison, folder: Path) -> None:
    """Write ``comparison.csv``, every score, and ``comparison.html``, one page.

    Parameters
    ----------
    comparison
        Comparison.
    folder
        Made if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {code: _name(code) for code in comparison.gauges} | {POOLED: "all gauges"}
    origin = SYNTHETIC if comparison.virtual else "measured"
    table = comparison.scores.assign(
        name=comparison.scores["station"].map(names), origin=origin, interval=comparison.interval
    )
    table.to_csv(folder / "comparison.csv", index=False, float_format="%.6g")
    (folder / "comparison.html").write_text(render_comparison(comparison), encoding="utf-8")


def render_comparison(comparison: RivalComparison) -> str:
    """Render a comparison as one self-contained HTML page; the same gives the same page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": format_number}
    scores = comparison.scores
    judged = scores[scores["verdict"] != COUNT]
    pooled = judged[judged["station"] == POOLED]
    counts = scores[(scores["verdict"] == COUNT) & (scores["station"] == POOLED)]
    of_gauges = judged[(judged["station"] != POOLED) & judged["score"].isin(HEADLINE)]
    return environment.get_template("comparison.html").render(
        comparison=comparison,
        synthetic=SYNTHETIC if comparison.virtual else "",
        tally=_tally(judged[judged["station"] != POOLED]),
        figures=[Markup(drawing) for drawing in _draw(pooled)],  # noqa: S704  own drawings
        pooled=_group(pooled, "score"),
        counts=_group(counts, "score"),
        gauges={
            _name(str(code)): _group(part, "score") for code, part in of_gauges.groupby("station")
        },
        meanings=MEANINGS,
        declared_p=DECLARED_P,
        least_cases=LEAST_CASES,
        merge_d=MERGE_D,
        tolerance_d=(match_tolerance_d(1), match_tolerance_d(7)),
    )


def _name(code: str) -> str:
    gauge = stations().get(code)
    return f"{gauge.name} ({code})" if gauge else code


def _group(table: pd.DataFrame, by: str) -> dict[str, list[dict[Any, Any]]]:
    return {str(key): part.to_dict("records") for key, part in table.groupby(by, sort=False)}


def _tally(judged: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the gauges and leads of each verdict, by main score."""
    table: dict[str, dict[str, int]] = {}
    for name in HEADLINE:
        verdicts = judged.loc[judged["score"] == name, "verdict"].value_counts()
        if len(verdicts):
            table[name] = {
                word: int(verdicts.get(word, 0)) for word in (BETTER, SAME, WORSE, NO_INTERVAL)
            }
    return table


def _draw(pooled: pd.DataFrame) -> list[str]:
    """Draw the main scores over all gauges by lead."""
    drawings = []
    for name in HEADLINE:
        part = pooled[pooled["score"] == name]
        if part.empty:
            continue
        best = {"low": "low is better", "high": "high is better"}[part["best"].iloc[0]]
        known = [side for side in SIDES if part[side].notna().any()]
        series = {side: part[side].to_numpy("float64") for side in known}
        drawings.append(draw_scores(f"{name} ({best})", part["lead_days"].tolist(), series))
    return drawings
