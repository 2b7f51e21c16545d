"""Scores of two sides on the same cases: what each case adds, and the formulas of the sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.metrics import (
    Moments,
    kling_gupta,
    pinball_loss,
    rate,
    skill_score,
    squared_error,
    tail_crps,
)
from models.verification.pairing import SIDES, THRESHOLDS, Cases, Side

DECLARED_P = 0.5
"""Probability from which either side counts as saying that a stage will be reached; of one value it
is whether that reaches the stage."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A score from sums over cases.

    Parameters
    ----------
    best
        ``low`` or ``high``: where the better forecast lies.
    parts
        Statistics whose sums it is computed from.
    formula
        Takes the sums of the parts, and the number of cases last, along the last axis.
    mean_of_gauges
        Whether all gauges together have the mean of the gauges' scores; else that of all cases.
    count_events
        Takes the sums and counts the events that came, of a score that needs some.
    """

    best: str
    parts: tuple[str, ...]
    formula: Callable[[Array], Array]
    mean_of_gauges: bool = False
    count_events: Callable[[Array], Array] | None = None


def _mean(sums: Array) -> Array:
    return rate(sums[..., 0], sums[..., -1])


def _root(sums: Array) -> Array:
    return np.sqrt(_mean(sums))


def _spread(sums: Array) -> Array:
    mean = rate(sums[..., 1], sums[..., -1])
    return np.sqrt(np.maximum(rate(sums[..., 0], sums[..., -1]) - mean**2, 0.0))


def _skill(sums: Array) -> Array:
    return skill_score(sums[..., 0], sums[..., 1])


def _moments(sums: Array) -> Moments:
    forecast, observed, squares, observed_squares, products, cases = np.moveaxis(sums, -1, 0)
    return Moments(
        cases=np.where(cases > 0, cases, np.nan),
        forecast=forecast,
        observed=observed,
        forecast_squares=squares,
        observed_squares=observed_squares,
        products=products,
    )


def _nash(sums: Array) -> Array:
    moments = _moments(sums[..., 1:])
    return skill_score(sums[..., 0], moments.observed_deviations())


def _kling_gupta(sums: Array) -> Array:
    return kling_gupta(_moments(sums))


def _correlation(sums: Array) -> Array:
    moments = _moments(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = moments.forecast / moments.cases, moments.observed / moments.cases
        covariance = moments.products / moments.cases - means[0] * means[1]
        variances = [
            squares / moments.cases - mean**2
            for squares, mean in zip(
                (moments.forecast_squares, moments.observed_squares), means, strict=True
            )
        ]
        return np.asarray(covariance / np.sqrt(variances[0] * variances[1]))


def _came(sums: Array) -> Array:
    return np.asarray(sums[..., 0] + sums[..., 1])


MOMENTS = ("forecast", "observed", "forecast_squares", "observed_squares", "products")
STAGE_SCORES = {
    "mae_m": Score("low", ("ae",), _mean),
    "rmse_m": Score("low", ("se",), _root),
    "spread_m": Score("low", ("se", "error"), _spread, mean_of_gauges=True),
    "cp": Score("high", ("se", "se_persistence"), _skill),
    "skill_climatology": Score("high", ("se", "se_climatology"), _skill),
    "nse": Score("high", ("se", *MOMENTS), _nash, mean_of_gauges=True),
    "kge": Score("high", MOMENTS, _kling_gupta, mean_of_gauges=True),
    "crps_m": Score("low", ("crps",), _mean),
    "pinball_m": Score("low", ("pinball",), _mean),
    **{f"brier_{name}": Score("low", (f"brier_{name}",), _mean) for name in THRESHOLDS},
}
for _name in THRESHOLDS:
    _parts = (f"hit_{_name}", f"miss_{_name}", f"false_{_name}")
    STAGE_SCORES |= {
        f"pod_{_name}": Score(
            "high", _parts, lambda sums: rate(sums[..., 0], sums[..., 0] + sums[..., 1]),
            count_events=_came,
        ),
        f"far_{_name}": Score(
            "low", _parts, lambda sums: rate(sums[..., 2], sums[..., 0] + sums[..., 2]),
            count_events=_came,
        ),
        f"csi_{_name}": Score(
            "high", _parts, lambda sums: rate(sums[..., 0], sums[..., :3].sum(axis=-1)),
            count_events=_came,
        ),
    }  # fmt: skip
RANK_SCORES = {
    "rank_correlation": Score(
        "high", tuple(f"rank_{name}" for name in MOMENTS), _correlation, mean_of_gauges=True
    ),
    **{
        f"roc_{name}": Score(
            "high", (f"place_{name}",), _mean, count_events=lambda sums: sums[..., -1]
        )
        for name in THRESHOLDS
    },
}
"""Scores that no rating curve changes, as long as discharge rises with the stage."""


def list_statistics(cases: Cases, side: Side) -> dict[str, Array]:
    """List what each case adds to the scores of a side; NaN where it has no part in it."""
    rows, persistence, climatology = cases.rows, *(cases.sides[name] for name in SIDES[2:])
    observed = rows["observed_m"].to_numpy("float64")
    if cases.variable == "discharge":
        return _list_rank_statistics(cases, side, observed)
    error = side.mean - observed
    statistics = {
        "ae": np.abs(side.median - observed),
        "se": error**2,
        "error": error,
        "se_persistence": squared_error(persistence.mean, observed),
        "se_climatology": squared_error(climatology.mean, observed),
        "forecast": side.mean,
        "observed": observed,
        "forecast_squares": side.mean**2,
        "observed_squares": observed**2,
        "products": side.mean * observed,
        "crps": _crps(side, observed),
        "pinball": _pinball(cases, side, observed),
    }
    for name in THRESHOLDS:
        threshold = rows[f"{name}_m"].to_numpy("float64")
        reached, p = observed >= threshold, side.p[name]
        declared, below = p >= DECLARED_P, rows["stage_m"].to_numpy() < threshold
        statistics[f"brier_{name}"] = (p - reached) ** 2
        unknown = np.isnan(p) | np.isnan(threshold)
        for kind, case in (
            ("hit", below & reached & declared),
            ("miss", below & reached & ~declared),
            ("false", below & ~reached & declared),
        ):
            statistics[f"{kind}_{name}"] = np.where(unknown, np.nan, case.astype("float64"))
    return statistics


def _crps(side: Side, observed: Array) -> Array:
    count = side.ensemble.shape[1]
    if not count:
        return np.full(len(observed), np.nan)
    levels = (np.arange(count) + 0.5) / count
    return tail_crps(side.ensemble, observed, levels.tolist(), -np.inf, members=count)


def _pinball(cases: Cases, side: Side, observed: Array) -> Array:
    """Mean loss at the levels that both sides state; an ensemble's quantiles are interpolated."""
    ours, rival = (cases.sides[name] for name in SIDES[:2])
    own = list(ours.quantiles)
    common = [level for level in own if level in rival.quantiles]
    if rival.ensemble.shape[1] > 1 and not rival.quantiles:
        common = own
    if not common:
        return np.full(len(observed), np.nan)
    if side.quantiles:
        quantiles = np.stack([side.quantiles[level] for level in common], axis=1)
    else:
        quantiles = np.quantile(side.ensemble, common, axis=1, method="hazen").T
    return np.asarray(pinball_loss(quantiles, observed, common).mean(axis=1))


def _list_rank_statistics(cases: Cases, side: Side, observed: Array) -> dict[str, Array]:
    """List what ranks add: their moments, and of each event the share of other days below it."""
    known = np.isfinite(cases.sides["rival"].median) & np.isfinite(side.median)
    names = [f"rank_{name}" for name in MOMENTS] + [f"place_{name}" for name in THRESHOLDS]
    statistics = {name: np.full(len(observed), np.nan) for name in names}
    for at in cases.rows[known].groupby(["station", "lead_days"]).groups.values():
        place = np.asarray(at)
        ranks, observed_ranks = (
            pd.Series(values[place]).rank().to_numpy() / len(place)
            for values in (side.median, observed)
        )
        for name, values in zip(
            MOMENTS,
            (ranks, observed_ranks, ranks**2, observed_ranks**2, ranks * observed_ranks),
            strict=True,
        ):
            statistics[f"rank_{name}"][place] = values
        for name in THRESHOLDS:
            reached = observed[place] >= cases.rows[f"{name}_m"].to_numpy()[place]
            others = np.sort(ranks[~reached])
            if reached.any() and len(others):
                below = [np.searchsorted(others, ranks[reached], end) for end in ("left", "right")]
                share = (below[0] + below[1]) / 2.0 / len(others)
                statistics[f"place_{name}"][place[reached]] = share
    return statistics
