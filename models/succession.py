"""Whether new models may take the place of former ones, by their skill on held-out years."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

TOLERANCE = 0.005
"""Loss of skill that is not called one: half of the last digit that the card shows."""
_Key = tuple[str, object, object, object]


def find_losses(new: Mapping[str, Any], former: Mapping[str, Any]) -> list[str]:
    """Find where new models have less skill than former ones.

    Compared are the medians of what both were scored for, each on years held out of its own fit:
    CP of the full tier by lead, and the Brier skill of low flow and of drought by horizon.

    Parameters
    ----------
    new, former
        Models by name, as of :func:`models.training.fit_models`.

    Returns
    -------
    list of str
        A sentence per loss above ``TOLERANCE``; empty where the new are at least as good. A model
        that the former had and the new lack is a loss.
    """
    losses = [f"{name}: there was too little to train it" for name in sorted({*former} - {*new})]
    skills = dict(_read_skills(new)), dict(_read_skills(former))
    groups = defaultdict[str, list[tuple[float, float]]](list)
    for key in skills[0].keys() & skills[1].keys():
        groups[key[0]].append((skills[0][key], skills[1][key]))
    for name, pairs in sorted(groups.items()):
        after, before = np.nanmedian(np.array(pairs), axis=0)
        if after < before - TOLERANCE:
            losses.append(f"{name}: {after:.3f} on held-out years, {before:.3f} before")
    return losses


def _read_skills(models: Mapping[str, Any]) -> Iterator[tuple[_Key, float]]:
    """Yield each skill that models were scored for, under a name of what is compared."""
    if "stage" in models:
        stages = models["stage"]
        for code, station in stages.stations.items():
            for lead, cp in zip(stages.leads, station.tiers_["full"].held_out_cp, strict=True):
                yield (f"stage, {lead} d ahead, median CP", code, None, None), float(cp)
    for name in ("low_flow", "drought"):
        for row in models[name].scores if name in models else ():
            what = f"{name.replace('_', ' ')}, {row['horizon_weeks']} weeks ahead, median skill"
            kind = row.get("station"), row.get("inputs"), row["drought_class"]
            yield (what, *kind), float(row["skill_vs_conditional"])
