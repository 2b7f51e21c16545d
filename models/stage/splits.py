"""Rows that a fit leaves out: blocks of water years, and the last years from those before."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import check_cv

from models.climatology import FROM_APRIL_BY_DAYS

Fold = tuple[str, int]
EVERYTHING: Fold = "all", 0
"""Name of the fit that leaves out nothing."""


class WaterYearSplit:
    """Splitter of scikit-learn's kind: blocks of water years, each left out in turn.

    Parameters
    ----------
    n_blocks
        Number of blocks; a year belongs to that of its remainder.
    purge_d
        Days at the start of a water year that teach no other year: longest lag plus longest lead.
    """

    def __init__(self, n_blocks: int = 6, purge_d: int = 37) -> None:
        self.n_blocks = n_blocks
        self.purge_d = purge_d

    def split(
        self,
        X: pd.DataFrame,  # noqa: N803
        y: object = None,  # noqa: ARG002
        groups: ArrayLike | None = None,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Give the rows to fit on and those to forecast, block by block.

        Parameters
        ----------
        X
            Rows with their date as index.
        y
            Not used.
        groups
            Water year of each row.

        Yields
        ------
        tuple of ndarray
            A block without years to learn from learns from itself.
        """
        year, purged = np.asarray(groups), self.purged(pd.DatetimeIndex(X.index))
        for block in self.blocks(year):
            out = year % self.n_blocks == block
            others = ~out & ~purged
            yield np.flatnonzero(others if others.any() else ~purged), np.flatnonzero(out)

    def get_n_splits(
        self,
        X: pd.DataFrame | None = None,  # noqa: N803
        y: object = None,  # noqa: ARG002
        groups: ArrayLike | None = None,
    ) -> int:
        """Count the blocks that have rows."""
        if X is None or groups is None:
            return self.n_blocks
        return len(self.blocks(np.asarray(groups)))

    def purged(self, dates: pd.DatetimeIndex) -> NDArray[np.bool_]:
        """Whether a date is too near to the water year before."""
        return np.asarray((dates - FROM_APRIL_BY_DAYS).day_of_year) <= self.purge_d

    def blocks(self, year: NDArray[np.int64]) -> NDArray[np.int64]:
        """List the blocks that have rows."""
        return np.unique(year % self.n_blocks)


@dataclass(frozen=True)
class Splits:
    """Rows that fits leave out.

    Parameters
    ----------
    names
        First ``without`` and the block (of another splitter its number), then ``before`` and the
        year.
    train, test
        Rows that each is fitted on, and those that it forecasts, shape (n_splits, n).
    n_judged
        Number of the first splits, by whose forecasts a penalty is chosen.
    """

    names: list[Fold]
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    n_judged: int


@dataclass(frozen=True)
class TrainingRows:
    """Rows of one gauge that its regressions are fitted on.

    Parameters
    ----------
    dates, year
        Date and water year from April of each row.
    matrix, target
        Columns of the design, shape (n, n_columns), and changes of stage in m, (n, n_leads).
    level_m
        Stage, shape (n,).
    splits
        Rows that fits leave out.
    """

    dates: pd.DatetimeIndex
    year: NDArray[np.int64]
    matrix: NDArray[np.float64]
    target: NDArray[np.float64]
    level_m: NDArray[np.float64]
    splits: Splits


def list_splits(
    cv: Any,
    table: pd.DataFrame,
    year: NDArray[np.int64],
    *,
    known: NDArray[np.bool_],
    forward_years: int,
) -> Splits:
    """List the splits of a splitter, and the last water years with those before them.

    Parameters
    ----------
    cv
        Splitter or number of folds of the known rows, or iterable of pairs of indices of all rows.
    table, year
        Rows with their date as index, and their water years.
    known
        Rows that have a target; the splits are of these alone.
    forward_years
        Last water years that are also forecast from earlier ones, at most half of all.

    Raises
    ------
    ValueError
        The splits leave a row out, or forecast it twice.
    """
    dates, years = pd.DatetimeIndex(table.index[known]), year[known]
    by_year = cv if isinstance(cv, WaterYearSplit) else WaterYearSplit()
    purged = by_year.purged(dates)
    if hasattr(cv, "split") or isinstance(cv, int):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            pairs = list(check_cv(cv).split(pd.DataFrame(index=dates), groups=years))
    else:
        place = np.cumsum(known) - 1
        pairs = [tuple(place[part[known[part]]] for part in pair) for pair in cv]
    blocks = cv.blocks(years) if isinstance(cv, WaterYearSplit) else range(len(pairs))
    whole = np.unique(years[~purged])
    ahead = whole[max(len(whole) - forward_years, len(whole) // 2, 1) :]
    train, test = (np.zeros((len(pairs) + len(ahead), len(years)), dtype=bool) for _ in range(2))
    for number, (fitted, forecast) in enumerate(pairs):
        train[number, fitted] = test[number, forecast] = True
    forecast_once = test[: len(pairs)].sum(axis=0) == 1
    if not forecast_once.all():
        raise ValueError(
            "cv: expected splits that forecast each row once, found "
            f"{np.count_nonzero(~forecast_once)} of {len(years)} rows that are not"
        )
    for number, first in enumerate(ahead, len(pairs)):
        train[number], test[number] = (years < first) & ~purged, years == first
    names = [("without", int(block)) for block in blocks]
    names += [("before", int(first)) for first in ahead]
    return Splits(names, train, test, len(pairs))
