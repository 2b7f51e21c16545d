"""Probability of each drought class 1, 4, 8 and 12 weeks ahead, by zone.

The class is that of the project's drought score: SPI of 90 days blended with the soil-moisture
percentile (:func:`pipeline.indices.drought.drought_score`), D0-D4 at −0.5, −0.8, −1.3, −1.6, −2.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.climatology import conditional_climatology, water_year
from models.drought.inputs import (
    CLASSES,
    DAY,
    HORIZONS_WEEKS,
    INPUTS,
    SUM_DAYS,
    TRAINED_ON,
    Evidence,
    Rows,
    class_number,
    design_matrix,
    fit_parameters,
    gather_evidence,
    mark_known,
    select_known,
    target_month,
    training_rows,
)
from models.verification.bootstrap import compare_with_conditional
from models.verification.metrics import skill_score, squared_error
from pipeline.areal.zonal_record import put_parameters_on_zones
from pipeline.indices.daily import drought_state
from pipeline.indices.drought import CDI, SPI_BOUNDS
from pipeline.indices.spi import MIN_YEARS
from pipeline.times import day_start, naive_timestamp, utc64

WEIGHTS = np.linspace(0.0, 1.0, 21)
BLOCK_YEARS = 4
"""Hydrological years held out at a time: long enough for a drought to lie within one block."""
_RECORD_DAYS = 100
"""Days of the zonal daily series that a prediction reads."""


@dataclass(frozen=True)
class DroughtModel:
    """A trained drought model: sklearn estimators, numpy arrays and built-in types only.

    Parameters
    ----------
    zones
        Ids of the zones it was trained on.
    end
        Moment up to which the record was used, ISO 8601.
    origin
        ``virtual`` or ``measured``, that of the record.
    index_params
        Parameters of the indices by name, each as ``Dataset.to_dict(data="array")``.
    estimators
        By ``inputs/weeks`` a logistic regression of the classes, stacked.
    weights
        By ``inputs/weeks`` the weight of the regression against conditional climatology.
    conditional
        By weeks P(class ≥ Dk) of shape (month of the target, class now + 1, k).
    scores
        By inputs, weeks and class: Brier scores on held-out years, and their skill with its 95 %
        interval over resampled years.
    """

    zones: list[str]
    end: str
    origin: str
    index_params: dict[str, dict[str, Any]]
    estimators: dict[str, LogisticRegression]
    weights: dict[str, float]
    conditional: dict[str, NDArray[np.float64]]
    scores: list[dict[str, Any]]

    def parameters(self) -> dict[str, xr.Dataset]:
        """Parameters of the indices, as of :func:`pipeline.indices.daily.fit_reference`."""
        return {name: xr.Dataset.from_dict(stored) for name, stored in self.index_params.items()}


class RecordTooShort(ValueError):  # noqa: N818
    """A record has fewer years than the indices need."""


def fit(zonal: xr.Dataset, *, end: datetime) -> DroughtModel:
    """Train on zonal daily series, and score on years held out.

    A logistic regression per horizon, with and without soil moisture, pooled over zones, one row
    per zone, fortnight and class with common slopes; its inputs are the outlook (P of the class
    from the rain already fallen of the 90 days and the usual rain of those to come), SPI of 90 and
    30 days, soil moisture and season. The regression is blended with conditional climatology,
    P(class ≥ Dk) given month and class now, by the weight with the least Brier score on held-out
    years; a record too short for scores gives it no weight.

    Parameters
    ----------
    zonal
        Product ``zones``: ``rain`` mm, ``soil_moisture`` m3 m-3, ``ndvi`` 1, ``lst`` K by day, dims
        (time, zone), at least 20 years, and five more for scores.
    end
        Days that end later, or that were known only later, are not used.

    Returns
    -------
    DroughtModel

    Raises
    ------
    RecordTooShort
        The record is shorter than 20 years.
    ValueError
        It has units or steps other than stated.
    """
    record = select_known(zonal, asof=end)
    n_years = np.unique(record["time"].to_numpy().astype("datetime64[Y]")).size
    if n_years < MIN_YEARS:
        raise RecordTooShort(f"zones: expected {MIN_YEARS} years or more, found {n_years}")
    params = fit_parameters(record)
    state = drought_state(record, parameters=params, names=TRAINED_ON)
    rows = training_rows(record, state, params)
    estimators = _fit_regressions(rows)
    weights, scores = _held_out_scores(record)
    return DroughtModel(
        zones=[str(zone) for zone in record["zone"].to_numpy()],
        end=end.astimezone(UTC).isoformat(),
        origin=str(zonal.attrs.get("origin", "")),
        index_params={name: fitted.to_dict(data="array") for name, fitted in params.items()},
        estimators=estimators,
        weights={key: weights.get(key, 0.0) for key in estimators},
        conditional={
            str(weeks): _conditional(evidence, outcome, weeks)
            for weeks, (evidence, outcome) in rows.items()
        },
        scores=scores,
    )


def predict(model: DroughtModel, zonal: xr.Dataset, *, asof: datetime) -> pd.DataFrame:
    """Forecast drought from the record as known at a moment.

    Parameters
    ----------
    model
        From :func:`fit`.
    zonal
        Product ``zones``; only the last 100 days are read. Of zones that the model was not trained
        on nothing is known.
    asof
        Issue time: the state is that of the last whole day before it.

    Returns
    -------
    DataFrame
        One row per zone and horizon: ``issue_time`` and ``valid_time`` (naive UTC), ``zone``,
        ``horizon_weeks``, ``p_d0``..``p_d4`` = P(class ≥ Dk), not rising with k, ``current_class``
        (none, D0..D4, unknown), ``spi1``, ``spi3``, ``soil_moisture_percentile``, ``vhi``, ``cdi``
        (none, watch, warning, alert, unknown), ``tier``, ``origin``. The tier names what was
        missing: ``full``, ``no_vegetation``, ``no_soil``, ``rain_only`` (both), ``climatology``
        (rain; probabilities are NaN then, and the class unknown where the 90 days are).
    """
    zones = [str(zone) for zone in zonal["zone"].to_numpy()]
    parameters = put_parameters_on_zones(model.parameters(), zones)
    record = select_known(zonal, asof=asof)
    today = utc64(day_start(asof)) - DAY
    window = np.arange(today - (_RECORD_DAYS - 1) * DAY, today + DAY, DAY)
    record = record.reindex(time=window)
    state = drought_state(record, parameters=parameters)
    last = np.array([len(window) - 1])
    evidence = gather_evidence(record, state, parameters, last)
    now = {str(name): da.to_numpy()[-1] for name, da in state.items()}
    virtual = "virtual" in {model.origin, zonal.attrs.get("origin")}
    frames = []
    for weeks in HORIZONS_WEEKS:
        p = _probabilities(model, evidence, weeks)
        frame = pd.DataFrame({f"p_d{k}": p[:, k] for k in range(CLASSES)})
        frame.insert(0, "zone", zones)
        frame.insert(1, "horizon_weeks", weeks)
        valid = window[-1] + DAY + 7 * weeks * DAY
        frame.insert(0, "issue_time", naive_timestamp(asof))
        frame.insert(1, "valid_time", pd.Timestamp(valid))
        frame["current_class"] = _name_classes(
            now["drought_class"] + 1, ("none", "D0", "D1", "D2", "D3", "D4")
        )
        frame["spi1"], frame["spi3"] = now["spi30"], now["spi90"]
        frame["soil_moisture_percentile"] = now["soil_moisture_percentile"]
        frame["vhi"] = now["vhi"]
        frame["cdi"] = _name_classes(now["cdi"], CDI)
        frame["tier"] = [
            _choose_tier(p_d0, soil, vhi)
            for p_d0, soil, vhi in zip(p[:, 0], evidence.inputs["soil"][0], now["vhi"], strict=True)
        ]
        frame["origin"] = "virtual" if virtual else model.origin
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _choose_tier(p: float, soil: float, vhi: float) -> str:
    if np.isnan(p):
        return "climatology"
    if np.isnan(soil):
        return "rain_only" if np.isnan(vhi) else "no_soil"
    return "no_vegetation" if np.isnan(vhi) else "full"


def _name_classes(codes: NDArray[np.floating], names: tuple[str, ...]) -> list[str]:
    return ["unknown" if np.isnan(code) else names[int(code)] for code in codes]


def _conditional(
    evidence: Evidence, outcome: NDArray[np.float64], weeks: int
) -> NDArray[np.float64]:
    """Conditional climatology of the rows whose class now and outcome are known."""
    month = np.broadcast_to(target_month(evidence.time, weeks)[:, None], outcome.shape)
    good = np.isfinite(outcome) & np.isfinite(evidence.score)
    reached = (outcome[good][:, None] <= np.array(SPI_BOUNDS)).astype(np.float64)
    return conditional_climatology(month[good], class_number(evidence.score[good]) + 1, reached)


def _fit_regressions(rows: Rows) -> dict[str, LogisticRegression]:
    regressions = {}
    for weeks, (evidence, outcome) in rows.items():
        # Neighbouring zones and fortnights repeat each other: every other one suffices.
        every_other = np.indices(outcome.shape).sum(axis=0) % 2 == 0
        for kind in INPUTS:
            known = mark_known(evidence, weeks, kind) & np.isfinite(outcome) & every_other
            reached = outcome[known][:, None] <= np.array(SPI_BOUNDS)
            if reached.any(axis=0).sum() < CLASSES - 1:
                continue
            model = LogisticRegression(solver="newton-cholesky", fit_intercept=False, tol=1e-3)
            x = design_matrix(evidence, weeks, kind, known)
            model.fit(x.reshape(-1, x.shape[-1]), reached.ravel())
            regressions[f"{kind}/{weeks}"] = model
    return regressions


def _apply_regression(model: LogisticRegression, x: NDArray[np.float64]) -> NDArray[np.float64]:
    p = model.predict_proba(x.reshape(-1, x.shape[-1]))[:, 1].reshape(x.shape[:-1])
    falling: NDArray[np.float64] = np.minimum.accumulate(p, axis=-1)
    return falling


def _probabilities(model: DroughtModel, evidence: Evidence, weeks: int) -> NDArray[np.float64]:
    """P(class ≥ Dk) of the one day of the evidence, (zone, k)."""
    p = np.full((evidence.score.shape[1], CLASSES), np.nan)
    month = target_month(evidence.time, weeks)[0]
    for kind in reversed(INPUTS):
        key = f"{kind}/{weeks}"
        if key not in model.estimators:
            continue
        known = mark_known(evidence, weeks, kind)
        zones = np.flatnonzero(known[0])
        if not len(zones):
            continue
        weight = model.weights[key]
        now = class_number(evidence.score[0, zones])
        conditional = model.conditional[str(weeks)][month, now + 1]
        x = design_matrix(evidence, weeks, kind, known)
        regressed = _apply_regression(model.estimators[key], x)
        p[zones] = weight * regressed + (1 - weight) * conditional
    return np.minimum.accumulate(p, axis=-1)


def _held_out_scores(record: xr.Dataset) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Weights and scores from blocks of hydrological years, each forecast by the others.

    Everything, index parameters included, is fitted without the block: a row trains where nothing
    from 90 days before it to its target lies in the block, and tests where all of it does. The
    score of a block is that under the weight that suits the other blocks best.
    """
    time = record["time"].to_numpy()
    year = water_year(pd.DatetimeIndex(time))
    block = (year - year[0]) // BLOCK_YEARS
    sums: dict[str, list[list[NDArray[np.float64]]]] = {}
    for number in np.unique(block):
        inside = block == number
        if np.unique(year[~inside]).size < MIN_YEARS + 1 or inside.sum() < 365:
            continue
        outside = xr.DataArray(~inside, {"time": record["time"]})
        params = fit_parameters(record.where(outside), names=TRAINED_ON)
        state = drought_state(record, parameters=params, names=TRAINED_ON)
        rows = training_rows(record, state, params)
        before = np.concatenate([[0], np.cumsum(inside)])
        training: Rows = {}
        for weeks, (evidence, outcome) in rows.items():
            last = np.minimum(evidence.days + 7 * weeks, len(time) - 1)
            touched = before[last + 1] - before[evidence.days - SUM_DAYS + 1]
            training[weeks] = evidence, np.where((touched == 0)[:, None], outcome, np.nan)
            outcome[touched < SUM_DAYS + 7 * weeks] = np.nan
        estimators = _fit_regressions(training)
        for weeks, (evidence, outcome) in rows.items():
            conditional = _conditional(*training[weeks], weeks)
            for kind in INPUTS:
                key = f"{kind}/{weeks}"
                if key not in estimators:
                    continue
                yearly = _yearly_errors(
                    estimators[key], conditional, evidence, outcome, year, weeks=weeks, kind=kind
                )
                if yearly:
                    sums.setdefault(key, []).append(yearly)
    return _weigh(sums)


def _yearly_errors(
    estimator: LogisticRegression,
    conditional: NDArray[np.float64],
    evidence: Evidence,
    outcome: NDArray[np.float64],
    year: NDArray[np.int64],
    *,
    weeks: int,
    kind: str,
) -> list[NDArray[np.float64]]:
    """Sum the errors of each hydrological year with a known row, as :func:`_sum_errors`."""
    month = np.broadcast_to(target_month(evidence.time, weeks)[:, None], outcome.shape)
    known = mark_known(evidence, weeks, kind) & np.isfinite(outcome)
    if not known.any():
        return []
    p = _apply_regression(estimator, design_matrix(evidence, weeks, kind, known))
    usual = conditional[month[known], class_number(evidence.score[known]) + 1]
    reached = outcome[known][:, None] <= np.array(SPI_BOUNDS)
    year_of_row = year[evidence.days[np.nonzero(known)[0]]]
    return [
        _sum_errors(p[rows], usual[rows], reached[rows])
        for rows in (year_of_row == number for number in np.unique(year_of_row))
    ]


def _sum_errors(
    p: NDArray[np.float64], conditional: NDArray[np.float64], reached: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Sum squared errors by weight and class, then events and cases: (weight + 2, k)."""
    errors = [
        squared_error(weight * p + (1 - weight) * conditional, reached).sum(axis=0)
        for weight in WEIGHTS
    ]
    return np.stack([*errors, reached.sum(axis=0), np.full(CLASSES, float(len(reached)))])


def _weigh(
    sums: dict[str, list[list[NDArray[np.float64]]]],
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Best weight of each regression, and the scores of each block under the others' best."""
    weights, scores = {}, []
    for key, blocks in sums.items():
        by_block = np.stack([np.sum(years, axis=0) for years in blocks])
        total = by_block.sum(axis=0)
        weights[key] = float(WEIGHTS[total[:-2].sum(axis=1).argmin()])
        model_errors, reference_errors = [], []
        for block, years in zip(by_block, blocks, strict=True):
            other_errors = (total - block)[:-2].sum(axis=1)
            best = other_errors.argmin() if len(blocks) > 1 else 0
            model_errors += [year[best] for year in years]
            reference_errors += [year[0] for year in years]
        yearly, yearly_reference = np.array(model_errors), np.array(reference_errors)
        kind, weeks = key.split("/")
        n, rate = total[-1], total[-2] / total[-1]
        over_base_rate = skill_score(yearly.sum(axis=0), n * rate * (1 - rate))
        scores += [
            {
                "inputs": kind,
                "horizon_weeks": int(weeks),
                "drought_class": k,
                "blocks": len(blocks),
                "cases": int(n[k]),
                "base_rate": float(rate[k]),
                **compare_with_conditional(yearly[:, k], yearly_reference[:, k], cases=int(n[k])),
                "skill_vs_base_rate": float(over_base_rate[k]),
            }
            for k in range(CLASSES)
        ]
    return weights, scores
