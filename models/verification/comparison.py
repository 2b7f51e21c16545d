"""Scores of two archives of forecasts on the same cases, with paired intervals and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, t

from models.verification.alarms import LEAST_CASES
from models.verification.archives import ForecastArchive
from models.verification.bootstrap import (
    DRAWS,
    LEAST_YEARS,
    Interval,
    draw_years,
    make_interval,
)
from models.verification.paired_counts import POOLED, count_sides
from models.verification.paired_scores import (
    RANK_SCORES,
    STAGE_SCORES,
    Array,
    Score,
    list_statistics,
)
from models.verification.pairing import SIDES, pair

BOUNDS = (0.05, 0.95)
"""Bounds of the intervals: 90 %."""
BLOCK_D = 10
LEAST_BLOCKS = 10
"""Length of the blocks that are resampled where there are too few years, days, and their least
number."""
ROUNDING = 1e-9
"""Difference below which two scores are the same."""
BETTER, SAME, WORSE, NO_INTERVAL = "better", "no difference shown", "worse", "no interval"
HEADLINE = (
    "mae_m", "rmse_m", "cp", "crps_m", "brier_alarm", "csi_alarm", "rank_correlation", "roc_alarm",
)  # fmt: skip
"""Scores that are shown first, where there are any."""
COLUMNS = (
    "station", "lead_days", "score", "best", "cases", "ours", "rival", "persistence", "climatology",
    "difference", "low", "high", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class RivalComparison:
    """Scores of ours and a rival's forecasts.

    Parameters
    ----------
    ours, rival
        Names of the archives.
    virtual
        Whether anything is of the virtual basin.
    scores
        Columns ``COLUMNS``: one row per gauge (``POOLED`` for all together), lead and score, with
        the difference ours − rival, its 90 % interval and the verdict on ours; and counts, whose
        verdict is :data:`models.verification.paired_counts.COUNT`; their ``cases`` are what came.
    counts
        Numbers of forecasts by what became of them.
    remarks
        What was left out, and what makes the comparison unfair.
    interval
        What was resampled for the intervals.
    gauges
        Codes of the gauges compared.
    first, last
        First and last issue day, ``YYYY-MM-DD``.
    """

    ours: str
    rival: str
    virtual: bool
    scores: pd.DataFrame
    counts: Mapping[str, int]
    remarks: tuple[str, ...]
    interval: str
    gauges: tuple[str, ...]
    first: str
    last: str

    def select_headline(self) -> pd.DataFrame:
        """Select the scores that are shown first, over all gauges."""
        of_all = self.scores[self.scores["station"] == POOLED]
        return of_all[of_all["score"].isin(HEADLINE)]

    def describe(self) -> tuple[str, ...]:
        """Describe what was compared and what is unfair about it, one line each."""
        said = "; ".join(f"{count} {what}" for what, count in self.counts.items())
        compared = (
            f"{self.ours}, beside {self.rival}: {len(self.gauges)} gauges, issued {self.first} to "
            f"{self.last}"
        )
        return compared, f"forecasts: {said}", *self.remarks


def compare_archives(
    ours: ForecastArchive, rival: ForecastArchive, observed: pd.Series[float], *, draws: int = DRAWS
) -> RivalComparison:
    """Score two archives on the cases that both have, with the same rule for both.

    Parameters
    ----------
    ours, rival
        Archives; ours is of stages. A rival of discharge is scored by ``RANK_SCORES`` alone.
    observed
        Stages in m, indexed by station and valid time (naive UTC).
    draws
        Samples of blocks.

    Raises
    ------
    LookupError
        No case is left.
    """
    cases = pair(ours, rival, observed)
    rows = cases.rows
    blocks, least, interval = _find_blocks(rows)
    samples = draw_years(len(set(blocks)), draws)
    weights = (samples[:, :, None] == np.arange(len(set(blocks)))).sum(axis=1).astype("float64")
    groups = _Groups(rows, np.unique(blocks, return_inverse=True)[1])
    statistics = {name: list_statistics(cases, side) for name, side in cases.sides.items()}
    scores = STAGE_SCORES if cases.variable == "stage" else RANK_SCORES
    table = [
        row
        for name, score in scores.items()
        for row in _score(name, score, statistics, groups, weights=weights, least=least)
    ]
    if cases.variable == "stage":
        table += [*count_sides(cases, statistics)]
    frame = pd.DataFrame(table, columns=list(COLUMNS))
    order = {name: at for at, name in enumerate(dict.fromkeys(frame["score"]))}
    frame = frame.sort_values(
        ["station", "lead_days", "score"],
        key=lambda column: column.map(order) if column.name == "score" else column,
        ignore_index=True,
    )
    days = rows["issue_day"].dt.strftime("%Y-%m-%d")
    return RivalComparison(
        ours=ours.name,
        rival=rival.name,
        virtual=ours.virtual or rival.virtual,
        scores=frame,
        counts=cases.counts,
        remarks=cases.remarks,
        interval=interval,
        gauges=groups.stations,
        first=days.min(),
        last=days.max(),
    )


def _find_blocks(rows: pd.DataFrame) -> tuple[NDArray[np.int64], int, str]:
    """Return each case's block, the least number of blocks, and what they are."""
    years = rows["year"].to_numpy("int64")
    if (count := len(set(years))) >= LEAST_YEARS:
        return (
            years,
            LEAST_YEARS,
            f"90 %, over {count} whole hydrological years, resampled in pairs",
        )
    days = rows["issue_day"].to_numpy("datetime64[D]").astype("int64")
    blocks = days // BLOCK_D
    if (count := len(set(blocks))) >= LEAST_BLOCKS:
        words = (
            f"90 %, over {count} blocks of {BLOCK_D} days, resampled in pairs, for there are fewer "
            f"than {LEAST_YEARS} years; floods outlast a block, so it is too narrow"
        )
        return blocks, LEAST_BLOCKS, words
    words = f"none: fewer than {LEAST_YEARS} years and than {LEAST_BLOCKS} blocks of {BLOCK_D} days"
    return blocks, LEAST_BLOCKS, words


class _Groups:
    """Sums of statistics by gauge, lead and block."""

    def __init__(self, rows: pd.DataFrame, block: NDArray[np.int64]) -> None:
        station, stations = pd.factorize(rows["station"], sort=True)
        lead, leads = pd.factorize(rows["lead_days"], sort=True)
        self.stations = tuple(str(code) for code in stations)
        self.leads = tuple(int(days) for days in leads)
        self.shape = len(stations), len(leads), int(block.max()) + 1
        self._index = np.ravel_multi_index((station, lead, block), self.shape)

    def add_up(self, parts: list[Array], mask: NDArray[np.bool_]) -> Array:
        """Add up statistics and count the cases, shape (station, lead, block, part)."""
        size = int(np.prod(self.shape))
        columns = [*parts, np.ones(len(mask))]
        sums = [np.bincount(self._index[mask], part[mask], size) for part in columns]
        stacked = np.stack(sums, axis=-1).astype("float64")
        return stacked.reshape(*self.shape, len(columns))


def _score(
    name: str,
    score: Score,
    statistics: Mapping[str, Mapping[str, Array]],
    groups: _Groups,
    *,
    weights: Array,
    least: int,
) -> Iterator[dict[str, object]]:
    """Score every gauge and lead, and all gauges together, on the cases that both sides have."""
    parts = {side: [columns[part] for part in score.parts] for side, columns in statistics.items()}
    mask = np.asarray(np.isfinite(np.stack([*parts["ours"], *parts["rival"]])).all(axis=0))
    if not mask.any():
        return
    sums = {side: groups.add_up(columns, mask) for side, columns in parts.items()}
    by_gauge = {side: _resample(score, total, weights) for side, total in sums.items()}
    pooled = {
        side: _average(*by_gauge[side])
        if score.mean_of_gauges
        else tuple(values[..., 0, :] for values in _resample(score, total, weights, pooled=True))
        for side, total in sums.items()
    }
    count = sums["ours"][..., -1]
    for at, station in enumerate((POOLED, *groups.stations)):
        of_scope = count.sum(axis=0) if at == 0 else count[at - 1]
        for lead, days in enumerate(groups.leads):
            place = (lead,) if at == 0 else (at - 1, lead)
            chosen = pooled if at == 0 else by_gauge
            values = {side: float(chosen[side][0][place]) for side in SIDES}
            if not np.isfinite([values["ours"], values["rival"]]).all():
                continue
            draws = chosen["ours"][1][(slice(None), *place)]
            draws = draws - chosen["rival"][1][(slice(None), *place)]
            change = _make_difference(
                values["ours"] - values["rival"],
                draws,
                blocks=int((of_scope[lead] > 0).sum()),
                least=least,
            )
            yield {
                "station": station,
                "lead_days": days,
                "score": name,
                "best": score.best,
                "cases": int(of_scope[lead].sum()),
                **values,
                "difference": change.value,
                "low": change.low,
                "high": change.high,
                "verdict": _judge(change.low, change.high, score.best),
            }


def _make_difference(value: float, draws: Array, *, blocks: int, least: int) -> Interval:
    """Return the difference with its interval, widened for the number of blocks.

    Draws of n blocks spread by √((n − 1)/n) too little and have the quantiles of a normal
    distribution, not of Student's t with n − 1 degrees of freedom: of 4 years the bare 90 %
    interval would hold the truth 3 times in 4 (Hesterberg 2015, doi
    10.1080/00031305.2015.1089789).
    """
    if blocks < least:
        return Interval(value, float("nan"), float("nan"))
    level = BOUNDS[1]
    widening = t.ppf(level, blocks - 1) / norm.ppf(level) * np.sqrt(blocks / (blocks - 1))
    return make_interval(value, value + widening * (draws - value), BOUNDS)


def _resample(
    score: Score, sums: Array, weights: Array, *, pooled: bool = False
) -> tuple[Array, Array]:
    """Return scores of shape (station, lead), and those of each draw of blocks before them."""
    if pooled:
        sums = sums.sum(axis=0, keepdims=True)
    total = sums.sum(axis=2)
    value, draws = score.formula(total), score.formula(np.einsum("db,slbk->dslk", weights, sums))
    if score.count_events is not None:
        value = np.where(score.count_events(total) >= LEAST_CASES, value, np.nan)
    return value, draws


def _average(value: Array, draws: Array) -> tuple[Array, Array]:
    """Average over the gauges that have a score."""
    known = np.isfinite(value)
    count = np.where(known.sum(axis=0) > 0, known.sum(axis=0), np.nan)
    mean = np.where(known, value, 0.0).sum(axis=0) / count
    return mean, np.where(known, draws, 0.0).sum(axis=1) / count


def _judge(low: float, high: float, best: str) -> str:
    """Return the verdict on ours from the interval of ours − rival."""
    if not np.isfinite([low, high]).all():
        return NO_INTERVAL
    if low > ROUNDING:
        return BETTER if best == "high" else WORSE
    if high < -ROUNDING:
        return BETTER if best == "low" else WORSE
    return SAME
