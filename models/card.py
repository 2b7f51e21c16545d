"""The model card, written by the code that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.design import TIER_GROUPS
from models.stage import DRY_WEIGHT, HALF_LIFE_Y
from pipeline.features import STALE_H
from pipeline.places import stations as all_stations

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from models.stage import StageModel

LOW_CP = 0.3
"""Persistence index below which a lead is named among those not to be trusted."""


def card(model: StageModel, scores: pd.DataFrame, metadata: Mapping[str, Any]) -> str:
    """Describe a trained stage model in Markdown.

    Parameters
    ----------
    model
        As :func:`models.stage.fit` gave it.
    scores
        As :func:`models.evaluate.score` gave them for a hindcast of the same gauges; may be empty.
    metadata
        What was stored with the model; every entry becomes a line.

    Returns
    -------
    str
        Data, period, tiers, skill by gauge and lead in the wet season, and when not to trust it.
    """
    places = all_stations()
    names = {code: places[code].name if code in places else code for code in model.stations}
    method = (
        "ridge regression per gauge, lead and tier; a day's weight halves in "
        f"{HALF_LIFE_Y:g} years and is {DRY_WEIGHT:g} from December to April; penalties, error "
        "scales and quantiles come from years that the fit had not seen"
    )
    lines = [
        "# Model card: stage 1 to 7 days ahead",
        "",
        f"* Data: {model.origin}, {model.trained_from} to {model.trained_to}.",
        f"* Gauges: {len(model.stations)}; leads {model.leads[0]} to {model.leads[-1]} days.",
        "* Target: change of the 00:00Z (07:00 local) reading, in m; issued at 00:30Z.",
        f"* Method: {method}.",
        f"* Tiers: {', '.join(TIER_GROUPS)}, climatology.",
        *(f"* {key}: {value}" for key, value in sorted(metadata.items())),
        "",
        "## Skill in the wet season (June to October)",
        "",
    ]
    wet = scores[scores["season"] == "wet"]
    if wet.empty:
        lines.append("No hindcast was run with this model.")
    else:
        leads = sorted(wet["lead_days"].unique())
        lines += [
            "Persistence index CP = 1 − MSE / MSE of persistence; 80 % coverage in brackets.",
            "",
            "| gauge | " + " | ".join(f"{lead} d" for lead in leads) + " |",
            "|---|" + "---|" * len(leads),
        ]
        for code, part in wet.groupby("station"):
            row = part.set_index("lead_days")
            cells = [
                f"{row.cp[lead]:.2f} ({100 * row.cover80[lead]:.0f} %)" if lead in row.index else ""
                for lead in leads
            ]
            lines.append(f"| {names.get(str(code), code)} | " + " | ".join(cells) + " |")
    beyond = (
        "the forecast reaches beyond the highest stage in training, where the tail is a stated "
        "Pareto tail and not experience"
    )
    lines += [
        "",
        "## When not to trust it",
        "",
        f"* The gauge's last reading is older than {STALE_H:g} h: the tier is climatology.",
        f"* `extrapolated` is set: {beyond}.",
        "* After a change of the gauge's zero, a new dam upstream or a breached levee.",
    ]
    poor = wet[wet["cp"] < LOW_CP]
    lines += [
        f"* {names.get(str(code), code)}, leads {', '.join(map(str, part['lead_days']))} d: "
        f"little better than persistence (CP below {LOW_CP:g})."
        for code, part in poor.groupby("station")
    ]
    if model.origin == "virtual":
        lines.append("* Trained on the virtual basin: no figure here says anything of the river.")
    return "\n".join(lines) + "\n"
