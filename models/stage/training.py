"""Training of the stage model: the regressors of all gauges, which lend each other variances."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from models.stage.features import DAY, Library, StageInputs, TooFewStages, build_library
from models.stage.model import HISTORY_D, StageModel
from models.stage.neighbours import select_neighbours
from models.stage.regressor import LEADS, PriorVariances, StageRegressor
from models.stage.splits import Fold
from pipeline.geography import places
from pipeline.times import naive_timestamp

LEAST_YEARS = 2.0
"""Years of data that a gauge must have."""
LEAST_DAYS = int(LEAST_YEARS * 365)
"""Days of :func:`find_training_days` that a gauge must have."""


def fit(
    inputs: StageInputs,
    *,
    end: datetime,
    stations: Iterable[str],
    leads: tuple[int, ...] = LEADS,
    start: datetime | None = None,
    regressor: BaseEstimator | None = None,
    beside: Callable[[], None] = lambda: None,
) -> StageModel:
    """Train every tier of every gauge.

    Parameters
    ----------
    inputs
        Features are made of rows before ``end`` only, targets are stages before it.
    end
        Aware moment; nothing observed at or after it is used.
    stations
        Codes of the gauges to forecast.
    leads
        Days ahead, increasing.
    start
        First date used; default the first row.
    regressor
        Any regressor of scikit-learn's, to take the ridge's place.
    beside
        Called in this process while others fit the gauges.

    Returns
    -------
    StageModel
        Gauges with less than ``LEAST_YEARS`` of data are left out.

    Raises
    ------
    TooFewStages
        No gauge has enough data.
    """
    known = inputs.until(naive_timestamp(end) - pd.Timedelta(1, "ns"))
    if start is not None:
        first = naive_timestamp(start) - HISTORY_D * DAY
        known = known.last(int((known.stage.index >= first).sum()))
    lib = build_library(known)
    fitted = _fit_gauges(
        lib,
        _alarm_stages(stations, asof=end),
        {"leads": leads, "regressor": regressor},
        beside=beside,
    )
    if not fitted:
        span = f"{len(lib.dates)} days"
        raise TooFewStages(f"expected a gauge with {LEAST_YEARS:g} years of stages, found {span}")
    return StageModel(
        stations=fitted,
        leads=tuple(leads),
        trained_from=f"{lib.dates[0]:%Y-%m-%d}",
        trained_to=f"{lib.dates[-1]:%Y-%m-%d}",
        origin=inputs.origin,
    )


def _fit_gauges(
    lib: Library,
    alarm_m: Mapping[str, float | None],
    options: Mapping[str, Any],
    *,
    beside: Callable[[], None],
) -> dict[str, StageRegressor]:
    """Fit each gauge that has enough data by regressors of some options, on every core.

    Processes, not threads: scipy's linear algebra holds the interpreter's lock. The models do not
    depend on how many there are. ``alarm_m`` has a key for each gauge.
    """
    codes = list(alarm_m)
    n_processes = min(joblib.cpu_count(), len(codes))
    context = multiprocessing.get_context("fork")
    children: list[tuple[BaseProcess, Connection]] = []
    for number in range(n_processes):
        own_end, other_end = context.Pipe()
        own_ends = [*(connection for _, connection in children), own_end]
        share = {code: alarm_m[code] for code in codes[number::n_processes]}
        child: BaseProcess = context.Process(
            target=_fit_share,
            args=(other_end, own_ends, lib, share, options),
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of threads that hold a lock: the child uses none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        other_end.close()
        children.append((child, own_end))
    try:
        first_variances = {
            code: variances for child in children for code, variances in _receive(child).items()
        }
        mean_variances = _mean_variances(
            first_variances[code] for code in codes if code in first_variances
        )
        for _, connection in children:
            connection.send(mean_variances)
        beside()
        models = {code: model for child in children for code, model in _receive(child).items()}
    finally:
        for child, connection in children:
            connection.close()
            child.kill()
            child.join()
    return {code: models[code] for code in codes if code in models}


def _receive(child: tuple[BaseProcess, Connection]) -> Any:
    process, connection = child
    try:
        answer = connection.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"expected a process that trains gauges, found one that ended ({process.exitcode})"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _fit_share(
    connection: Connection,
    parent_ends: list[Connection],
    lib: Library,
    alarm_m: Mapping[str, float | None],
    options: Mapping[str, Any],
) -> None:
    """Fit some gauges: send the first fits' variances, take the mean over all, send the models."""
    for parent_end in parent_ends:
        # A process that keeps them open would wait for ever for a parent that was killed.
        parent_end.close()
    try:
        table, started = lib.table(), {}
        with threadpool_limits(1):
            for code, of_gauge in alarm_m.items():
                _check_parent()
                if code in lib.level:
                    target = stage_targets(lib, code, options["leads"])
                    if find_training_days(lib, code, target).sum() >= LEAST_DAYS:
                        regressor = StageRegressor(
                            select_neighbours(lib, code), alarm_m=of_gauge, **options
                        )
                        started[code] = regressor, regressor.prepare(table, target)
            connection.send(
                {
                    code: regressor.first_variances(rows)
                    for code, (regressor, rows) in started.items()
                }
            )
            mean_variances = connection.recv()
            fitted = {}
            for code, (regressor, rows) in started.items():
                _check_parent()
                regressor.set_params(prior_variances=mean_variances)
                fitted[code] = regressor.fit_rows(rows).set_params(prior_variances=None)
            connection.send(fitted)
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # noqa: BLE001  (the parent raises it)
        connection.send(error)


def _check_parent() -> None:
    """Raise EOFError once the parent is gone: nobody waits for the gauges that are left."""
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        raise EOFError


def stage_targets(lib: Library, code: str, leads: tuple[int, ...] = LEADS) -> NDArray[np.float64]:
    """Stage in m on each lead's day, the target of a gauge's regressor.

    Parameters
    ----------
    lib
        Features.
    code
        Gauge.
    leads
        Days ahead.

    Returns
    -------
    ndarray
        Shape (n_dates, n_leads); gaps of two days at most are interpolated, NaN in longer ones.
    """
    observed = (
        lib.level[code].where(lib.age_h[code] == 0.0).interpolate(limit=2, limit_area="inside")
    )
    return np.column_stack([observed.shift(-lead).to_numpy() for lead in leads])


def find_training_days(lib: Library, code: str, target: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the dates whose stage is known, and that of every lead's day too, shape (n_dates,).

    Parameters
    ----------
    lib
        Features.
    code
        Gauge.
    target
        From :func:`stage_targets`.
    """
    level = lib.level[code].to_numpy()
    return np.asarray(np.isfinite(target - level[:, None]).all(axis=1))


def _alarm_stages(codes: Iterable[str], *, asof: datetime) -> dict[str, float | None]:
    """Alarm stage of each gauge in m as of a moment; None without one."""
    known = places.stations(asof=asof)
    return {code: known[code].alarm_m if code in known else None for code in codes}


def _mean_variances(of_gauges: Iterable[PriorVariances]) -> PriorVariances:
    """Average the variances over the gauges with a column: 20 floods of one gauge are few."""
    gathered: dict[tuple[int, Fold], dict[str, list[float]]] = {}
    for variances in of_gauges:
        for key, by_name in variances.items():
            into = gathered.setdefault(key, {})
            for name, variance in by_name.items():
                into.setdefault(name, []).append(variance)
    return {
        key: {name: sum(variances) / len(variances) for name, variances in by_name.items()}
        for key, by_name in gathered.items()
    }
