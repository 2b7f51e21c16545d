"""The model card: data, skill and limits of a set of trained models, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from models.drought.inputs import HORIZONS_WEEKS
from models.drought.model import DroughtModel
from models.low_flow import LowFlowModel
from models.stage.design import TIER_GROUPS
from models.stage.features import STALE_H
from models.stage.model import StageModel
from models.stage.seasons import SEASONS
from models.verification.bootstrap import LEAST_YEARS
from pipeline.geography.places import stations as all_stations

LOW_CP = 0.3
"""Persistence index below which a lead is named among those not to be trusted."""
DRIVER_METHODS = {
    "exact": "exact, the terms of a linear model",
    "substitution": "by substitution, a group of columns at its mean at a time",
}
SYNTHETIC = (
    "**SYNTHETIC: trained on the virtual basin. No figure here says anything of the river.**"
)
HELD_OUT = """Persistence index CP = 1 − MSE / MSE of persistence, tier full, each year forecast by
a fit on the other years. Later years are known to such a fit: `mekong hindcast`, which is not told
the future, gives a little less."""
LICENCE = f"""The model's own forecast is issued where the lower bound of the 95 % interval of CP
over resampled years (below) is above 0, and where its P(alarm) is no worse than the season's share
or that of what would be issued instead, by Brier scores. Elsewhere the forecast named beside it is
issued. Judged on wet days of the last years, forecast by fits on earlier years alone; of all years
held out where these are fewer than {LEAST_YEARS}. A gauge with fewer years than that has no licence
yet (–). Tier full."""
AGAINST = """Brier skill against conditional climatology (month and class now) of P(class ≥ D1) on
blocks of four years held out, with 95 % intervals over resampled years."""


def render_card(
    model: StageModel,
    metadata: Mapping[str, Any],
    *,
    low_flow: LowFlowModel | None = None,
    drought: DroughtModel | None = None,
) -> str:
    """Describe a set of trained models in Markdown.

    Parameters
    ----------
    model
        As :func:`models.stage.training.fit` gave it.
    metadata
        As stored with the models; every entry becomes a line.
    low_flow, drought
        Models trained beside it, None where there was too little to train them.

    Returns
    -------
    str
        Data, period, tiers, skill by gauge and lead on years held out of the fit, and when not to
        trust it.
    """
    lines = [
        *_render_stage(model, metadata),
        *_render_licences(model),
        *_render_drought(low_flow, drought),
        *_render_limits(model),
    ]
    return "\n".join(lines) + "\n"


def _name(code: str) -> str:
    places = all_stations()
    return places[code].name if code in places else code


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---"] * len(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def _render_stage(model: StageModel, metadata: Mapping[str, Any]) -> list[str]:
    fitted = next(iter(model.stations.values()))
    kind = (
        f"ridge regression per gauge, lead, tier and season ({', '.join(SEASONS)}, each passing "
        "over into the next)"
        if fitted.regressor is None
        else f"{type(fitted.regressor).__name__} of scikit-learn per gauge, lead and tier"
    )
    method = (
        f"{kind}; a day's weight halves in {fitted.half_life_y:g} years; penalties, error scales "
        "and quantiles come from years that the fit had not seen"
    )
    drivers = DRIVER_METHODS[fitted.tiers_["full"].regression.drivers_method]
    lines = [
        "# Model card: stage 1 to 7 days ahead, low flow and drought 1 to 12 weeks ahead",
        "",
    ]
    if model.origin == "virtual":
        lines += [SYNTHETIC, ""]
    lines += [
        f"* Data: {model.origin}, {model.trained_from} to {model.trained_to}.",
        f"* Gauges: {len(model.stations)}; leads {model.leads[0]} to {model.leads[-1]} days.",
        "* Target: change of the 00:00Z (07:00 local) reading, in m; issued at 00:30Z.",
        f"* Method: {method}.",
        f"* Drivers of a forecast: {drivers}.",
        f"* Tiers: {', '.join(TIER_GROUPS)}, climatology.",
        *(f"* {key}: {value}" for key, value in sorted(metadata.items())),
        "",
        "## Skill in the wet season (June to October)",
        "",
        HELD_OUT,
        "",
    ]
    head = ["gauge", *(f"{lead} d" for lead in model.leads)]
    by_gauge = {
        code: station.tiers_["full"].held_out_cp for code, station in model.stations.items()
    }
    rows = [[_name(code), *(f"{cp:.2f}" for cp in series)] for code, series in by_gauge.items()]
    median = np.nanmedian(np.array(list(by_gauge.values())), axis=0)
    rows.append(["**median**", *(f"**{cp:.2f}**" for cp in median)])
    lines += _table(head, rows)
    lines += ["", "Median CP by tier:", ""]
    tiers = [
        [
            tier,
            *(
                f"{cp:.2f}"
                for cp in np.nanmedian(
                    [station.tiers_[tier].held_out_cp for station in model.stations.values()],
                    axis=0,
                )
            ),
        ]
        for tier in TIER_GROUPS
    ]
    return lines + _table(["tier", *head[1:]], tiers)


def _render_licences(model: StageModel) -> list[str]:
    rows = []
    for code, station in model.stations.items():
        licence = station.tiers_["full"].licence
        cells = [
            f"{low:.2f}" if granted else f"{low:.2f} {substitute}"
            for low, granted, substitute in zip(
                licence.cp_low, licence.granted, licence.substitute, strict=True
            )
        ]
        days = f"{licence.alarm_days[0]}"
        rows.append(
            [_name(code), f"{licence.n_years}", days, *(cell.replace("nan", "–") for cell in cells)]
        )
    head = ["gauge", "years", "alarm days", *(f"{lead} d" for lead in model.leads)]
    return ["", "## Licence to speak", "", LICENCE, "", *_table(head, rows)]


def _render_drought(low_flow: LowFlowModel | None, drought: DroughtModel | None) -> list[str]:
    lines = ["", "## Low flow and drought", "", AGAINST, ""]
    rows = []
    if low_flow is not None:
        for code in low_flow.seasonal_quantiles:
            of_gauge = [
                row
                for row in low_flow.scores
                if row["station"] == code and row["drought_class"] == 1
            ]
            rows.append([f"low flow, {_name(code)}", *_skills(of_gauge)])
    if drought is not None:
        for kind in sorted({row["inputs"] for row in drought.scores}):
            of_kind = [
                row for row in drought.scores if row["inputs"] == kind and row["drought_class"] == 1
            ]
            rows.append([f"rain class, {kind.replace('_', ' ')}", *_skills(of_kind)])
    if not rows:
        return [*lines[:3], "Not trained: no record of 20 years."]
    return lines + _table(["what", "1 week", "4 weeks", "8 weeks", "12 weeks"], rows)


def _skills(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    by_weeks = {row["horizon_weeks"]: row for row in rows}
    cells = []
    for weeks in HORIZONS_WEEKS:
        row = by_weeks.get(weeks)
        cells.append(
            f"{row['skill_vs_conditional']:.2f} ({row['skill_low']:.2f} to {row['skill_high']:.2f})"
            if row
            else "–"
        )
    return cells


def _render_limits(model: StageModel) -> list[str]:
    beyond = (
        "the forecast reaches beyond the highest stage in training, where the tail is a stated "
        "Pareto tail and not experience"
    )
    lines = [
        "",
        "## When not to trust it",
        "",
        f"* The gauge's last reading is older than {STALE_H:g} h: the tier is climatology.",
        f"* `extrapolated` is set: {beyond}.",
        "* After a change of the gauge's zero, a new dam upstream or a breached levee.",
        "* A flow below that of PMFM Article 6A rests on a rating that was not gauged.",
    ]
    for code, station in model.stations.items():
        poor = [
            str(lead)
            for lead, cp in zip(model.leads, station.tiers_["full"].held_out_cp, strict=True)
            if not cp >= LOW_CP
        ]
        if poor:
            lines.append(
                f"* {_name(code)}, leads {', '.join(poor)} d: little better than persistence (CP "
                f"below {LOW_CP:g})."
            )
    return lines
