"""Inputs of the drought regressions: state of each zone and its outlook from the rain so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv, logit, ndtr, ndtri

from pipeline.indices.common import slots
from pipeline.indices.daily import fit_reference
from pipeline.indices.drought import SPI_BOUNDS
from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi
from pipeline.indices.suite import INDICES, MIN_SHARE
from pipeline.times import day_start, from_utc64, utc64

HORIZONS_WEEKS = (1, 4, 8, 12)
"""Weeks ahead of the forecasts of drought and of low flow."""
INPUTS: dict[str, tuple[str, ...]] = {"with_soil": ("soil",), "without_soil": ()}
"""Regressions by their inputs beside rain, the better first. Vegetation is no input: it changed
no Brier score on held-out years by 0.001 (synthetic record)."""
TRAINED_ON = ("spi_30d", "spi_90d", "soil_moisture_percentile", "drought_score")
"""Indices that the regressions' inputs and outcomes are made of."""
SUM_DAYS = 90
STEP_DAYS = 14
"""Days between the rows of training: sums of 90 days change little in less."""
CLASSES = len(SPI_BOUNDS)
DAY = np.timedelta64(1, "D")
_SO_FAR_SHARE = 0.8
"""Share that must be known of the rain already fallen: one day of six may be lost."""


@dataclass(frozen=True)
class Evidence:
    """State and outlook of chosen days, arrays of shape (day, zone) unless stated."""

    days: NDArray[np.int64]
    time: NDArray[np.datetime64]
    score: NDArray[np.float64]
    inputs: dict[str, NDArray[np.float64]]
    outlook: dict[int, NDArray[np.float64]]
    """By weeks P(class ≥ Dk) of the SPI-90 from the rain so far and usual rain, (day, zone, k)."""


Rows = dict[int, tuple[Evidence, "NDArray[np.float64]"]]
"""By weeks the evidence and the outcome: the score at the target, NaN where not known."""


def select_known(zonal: xr.Dataset, *, asof: datetime) -> xr.Dataset:
    """Select the days that are over and known at a moment; fill gaps of the time axis with NaN."""
    time = zonal["time"].to_numpy()
    known = np.asarray(time + DAY <= utc64(day_start(asof)))
    if "available_time" in zonal.coords:
        exact = utc64(asof)
        known &= zonal["available_time"].to_numpy() <= exact
    names = ["rain", "soil_moisture", "ndvi", "lst"]
    record = zonal[names].drop_vars("available_time", errors="ignore")
    record = record.isel(time=np.flatnonzero(known)).compute()
    if record.sizes["time"] == 0:
        return record
    all_days = np.arange(record["time"].to_numpy()[0], record["time"].to_numpy()[-1] + DAY, DAY)
    return record.transpose("time", "zone").reindex(time=all_days)


def fit_parameters(record: xr.Dataset, *, names: Iterable[str] = INDICES) -> dict[str, xr.Dataset]:
    """Fit the parameters of the indices, and of usual rain over each horizon (``usual1`` ...)."""
    time = record["time"].to_numpy()
    start, end = (from_utc64(moment) for moment in (time[0], time[-1] + DAY))
    params = fit_reference(record, start=start, end=end, names=names)
    for weeks in HORIZONS_WEEKS:
        total = accumulation(rain=record["rain"], steps=7 * weeks, min_share=MIN_SHARE)
        params[f"usual{weeks}"] = fit_spi(total=total, start=start, end=end)
    return params


def gather_evidence(
    record: xr.Dataset,
    state: xr.Dataset,
    parameters: Mapping[str, xr.Dataset],
    days: NDArray[np.int64],
) -> Evidence:
    """Gather state and outlook of some days of a record."""
    zones = {"zone": record["zone"].to_numpy()}
    params = {name: fit.reindex(zones) for name, fit in parameters.items() if "p_zero" in fit}
    time = record["time"].to_numpy()[days]
    outlook, limits = {}, _class_limits(params["spi90"])
    for weeks in HORIZONS_WEEKS:
        so_far = accumulation(
            rain=record["rain"], steps=SUM_DAYS - 7 * weeks, min_share=_SO_FAR_SHARE
        )
        slot = slots(_target(time, weeks), "dayofyear")
        lacking_mm = limits[slot - 1] - so_far.to_numpy()[days][..., None]
        shape, scale, p_zero = (
            params[f"usual{weeks}"][name]
            .transpose("dayofyear", "zone")
            .to_numpy()[slot - 1][..., None]
            for name in ("shape", "scale", "p_zero")
        )
        rain = np.nan_to_num(gammainc(shape, np.maximum(lacking_mm, 0.0) / scale), nan=1.0)
        p = np.where(lacking_mm >= 0, p_zero + (1 - p_zero) * rain, 0.0)
        outlook[weeks] = np.where(np.isnan(lacking_mm), np.nan, p)

    def on_days(name: str) -> NDArray[np.float64]:
        return np.asarray(state[name].to_numpy()[days], np.float64)

    inputs = {
        "spi90": on_days("spi90"),
        "spi30": on_days("spi30"),
        "soil": np.clip(ndtri(on_days("soil_moisture_percentile") / 100), -3.0, 3.0),
    }
    return Evidence(days, time, on_days("drought_score"), inputs, outlook)


def _class_limits(params: xr.Dataset) -> NDArray[np.float64]:
    """90-day rain at the bound of each class, mm, (dayofyear, zone, k), −1 where out of reach.

    NaN where the parameters are unknown.
    """
    shape, scale, p_zero = (
        params[name].transpose("dayofyear", "zone").to_numpy()[..., None]
        for name in ("shape", "scale", "p_zero")
    )
    share = (ndtr(np.array(SPI_BOUNDS)) - p_zero) / (1 - p_zero)
    limit = scale * gammaincinv(shape, np.clip(share, 0.0, 1.0))
    return np.where(share <= 0, -1.0, limit)


def mark_known(evidence: Evidence, weeks: int, kind: str) -> NDArray[np.bool_]:
    """Mark where the score and all inputs of a regression are known, (day, zone)."""
    names = ("spi90", "spi30", *INPUTS[kind])
    known = np.isfinite([evidence.score, *(evidence.inputs[name] for name in names)]).all(axis=0)
    return np.asarray(known & np.isfinite(evidence.outlook[weeks]).all(axis=2))


def design_matrix(
    evidence: Evidence, weeks: int, kind: str, rows: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Build the regression's inputs of marked days and zones, (row, k, input)."""
    angle = 2 * np.pi * slots(_target(evidence.time, weeks), "dayofyear") / 365
    day = np.nonzero(rows)[0]
    season = np.sin(angle)[day], np.cos(angle)[day]
    columns = [evidence.inputs["spi90"][rows], evidence.inputs["spi30"][rows], *season]
    for name in INPUTS[kind]:
        value = evidence.inputs[name][rows]
        columns += [value, value * season[0], value * season[1]]
    outlook = logit(np.clip(evidence.outlook[weeks][rows], 0.005, 0.995))
    matrix = np.empty((len(day), CLASSES, 2 + len(columns) + CLASSES))
    matrix[..., 0], matrix[..., 1] = outlook, outlook * season[1][:, None]
    matrix[..., 2:-CLASSES] = np.column_stack(columns)[:, None]
    matrix[..., -CLASSES:] = np.eye(CLASSES)
    return matrix


def class_number(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Class −1 (none) to 4 (D4) of known scores, on the normal scale.

    Examples
    --------
    >>> class_number(np.array([0.3, -0.5, -1.4])).tolist()
    [-1, 0, 2]
    """
    number: NDArray[np.int64] = (score[..., None] <= np.array(SPI_BOUNDS)).sum(axis=-1) - 1
    return number


def _target(time: NDArray[np.datetime64], weeks: int) -> Any:
    return time + 7 * weeks * DAY


def target_month(time: NDArray[np.datetime64], weeks: int) -> NDArray[np.int64]:
    """Month of the moments forecast, from 0."""
    return slots(_target(time, weeks), "month") - 1


def training_rows(
    record: xr.Dataset, state: xr.Dataset, parameters: Mapping[str, xr.Dataset]
) -> Rows:
    """Fortnightly evidence with its outcome."""
    score = state["drought_score"].to_numpy().astype(np.float64)
    rows: Rows = {}
    days = np.arange(SUM_DAYS, len(score) - 7, STEP_DAYS)
    evidence = gather_evidence(record, state, parameters, days)
    for weeks in HORIZONS_WEEKS:
        later = days + 7 * weeks
        outcome = np.where(
            (later < len(score))[:, None], score[np.minimum(later, len(score) - 1)], np.nan
        )
        rows[weeks] = evidence, outcome
    return rows
