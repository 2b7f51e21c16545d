"""Distributions of stage on mornings, joint over the leads, of mornings with different errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.stage.design import DRIVERS
from models.stage.errors import ErrorDistribution
from models.stage.highest import exceedance_by_lead, highest_quantiles


@dataclass(frozen=True)
class StagePart:
    """Forecasts of mornings that share an error distribution: stage = middle + scale * error.

    Parameters
    ----------
    rows
        Their places among the mornings, shape (k,).
    middle_m, scale_m
        Shape (k, n_leads).
    errors
        Distribution of the error.
    methods
        What each lead is issued as: ``model``, ``persistence`` or ``climatology``, (n_leads,).
    drivers_m
        Kind of evidence -> its part in the change, shape (k, n_leads); without any at climatology.
    """

    rows: NDArray[np.int64]
    middle_m: NDArray[np.float64]
    scale_m: NDArray[np.float64]
    errors: ErrorDistribution
    methods: NDArray[np.str_]
    drivers_m: Mapping[str, NDArray[np.float64]]

    def take(self, k: int) -> Self:
        """Take the k-th of its mornings alone."""
        return replace(
            self,
            rows=self.rows[[k]],
            middle_m=self.middle_m[[k]],
            scale_m=self.scale_m[[k]],
            drivers_m={kind: of_kind[[k]] for kind, of_kind in self.drivers_m.items()},
        )

    def replace_leads(self, other: StagePart, leads: NDArray[np.bool_]) -> Self:
        """Take another's forecasts of the same mornings at some leads."""
        unknown = np.full_like(self.middle_m, np.nan)
        return replace(
            self,
            middle_m=np.where(leads, other.middle_m, self.middle_m),
            scale_m=np.where(leads, other.scale_m, self.scale_m),
            errors=self.errors.replace_leads(other.errors, leads),
            methods=np.where(leads, other.methods, self.methods),
            drivers_m={
                kind: np.where(leads, other.drivers_m.get(kind, unknown), of_kind)
                for kind, of_kind in self.drivers_m.items()
            },
        )


@dataclass(frozen=True)
class StageDistribution:
    """Distributions of stage in m on n mornings, joint over the leads, as of scipy.

    Parameters
    ----------
    tiers
        Tier of each morning, shape (n,).
    parts
        Their forecasts; each morning is in one part.
    n_leads
        Number of leads.
    """

    tiers: NDArray[np.str_]
    parts: tuple[StagePart, ...]
    n_leads: int

    def _blank(self, *more: int) -> NDArray[np.float64]:
        return np.full((len(self.tiers), self.n_leads, *more), np.nan)

    def methods(self) -> NDArray[np.str_]:
        """List what each lead is issued as, shape (n, n_leads)."""
        methods = np.full((len(self.tiers), self.n_leads), "", dtype="U11")
        for part in self.parts:
            methods[part.rows] = part.methods
        return methods

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles in m, shape (n, n_leads, n_q); ValueError unless 0 < q < 1."""
        levels = _check_levels(q)
        stages = self._blank(len(levels))
        for part in self.parts:
            z = part.errors.ppf(levels)
            stages[part.rows] = part.middle_m[..., None] + part.scale_m[..., None] * z
        return stages

    def cdf(self, stage_m: ArrayLike) -> NDArray[np.float64]:
        """P(stage ≤ a stage in m), shape (n, n_leads), of a number, or one per morning."""
        stages = np.broadcast_to(np.asarray(stage_m, dtype="float64"), len(self.tiers))
        p = self._blank()
        for part in self.parts:
            p[part.rows] = part.errors.cdf(
                (stages[part.rows][:, None] - part.middle_m) / part.scale_m
            )
        return p

    def mean(self) -> NDArray[np.float64]:
        """Mean in m, tails included: what a squared error is least for, shape (n, n_leads)."""
        stages = self._blank()
        for part in self.parts:
            stages[part.rows] = part.middle_m + part.scale_m * part.errors.mean()
        return stages

    def rvs(self, size: int, random_state: int | None = None) -> NDArray[np.float64]:
        """Draw stages in m of all leads together, shape (size, n, n_leads)."""
        generator = np.random.default_rng(random_state)
        stages = np.full((size, len(self.tiers), self.n_leads), np.nan)
        for part in self.parts:
            for row, middle, scale in zip(part.rows, part.middle_m, part.scale_m, strict=True):
                stages[:, row] = middle + scale * part.errors.rvs(size, generator)
        return stages

    def exceedance(self, stage_m: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(stage > a stage in m) on each lead's day, and on any day up to it, (n, n_leads)."""
        p = 1.0 - self.cdf(stage_m)
        by = self._blank()
        for part in self.parts:
            for row in part.rows:
                if np.isfinite(p[row]).all():
                    by[row] = exceedance_by_lead(p[row], part.errors.correlation)
        return p, by

    def highest_ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles in m of the highest stage from the first day to each lead's, as :meth:`ppf`.

        At any stage they agree with the second probability of :meth:`exceedance`.
        """
        levels = _check_levels(q)
        stages = self._blank(len(levels))
        for part in self.parts:
            for row, middle, scale in zip(part.rows, part.middle_m, part.scale_m, strict=True):
                stages[row] = highest_quantiles(levels, part.errors, middle, scale)
        return stages

    def drivers(self) -> dict[str, NDArray[np.float64]]:
        """Part of each kind of evidence in the change of the median, m, shape (n, n_leads).

        Kinds are :data:`models.stage.design.DRIVERS`; they add up to the change of the median from
        the last reading, and are NaN at tier climatology.
        """
        drivers = {kind: self._blank() for kind in DRIVERS}
        for part in self.parts:
            for kind, of_part in part.drivers_m.items():
                drivers[kind][part.rows] = of_part
        return drivers


def _check_levels(q: ArrayLike) -> NDArray[np.float64]:
    levels = np.atleast_1d(np.asarray(q, dtype="float64"))
    if not ((levels > 0.0) & (levels < 1.0)).all():
        raise ValueError(f"q: expected 0 < q < 1, found {levels.tolist()}")
    return levels
