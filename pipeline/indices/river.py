"""River indices: rain routed to a gauge, stage above its seasonal mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

from pipeline.indices.common import (
    SLOTS,
    apply_along_time,
    cadence,
    copy_reference_attrs,
    definition,
    require_units,
    select_period,
    slots,
    sum_by_slot,
)

if TYPE_CHECKING:
    from pipeline.geography.places import Basin

BASIN_LAG_DAYS = 1.5
"""Mean time from rain on a sub-basin to flow at its outlet, of the order of the 0.8-2 days of
travel time along a reach of such a size."""
NASH_RESERVOIRS = 3


def unit_hydrograph(
    *, mean_days: float, reservoirs: float = NASH_RESERVOIRS
) -> NDArray[np.float64]:
    """Return the shares of a day's rain that arrive on that day and on each day after.

    u(τ) = F(τ + 1) − F(τ), F the gamma distribution of shape ``reservoirs`` and mean
    ``mean_days`` (the cascade of Nash 1957), cut where 99.9 % have arrived and scaled to sum 1.

    Parameters
    ----------
    mean_days
        Mean travel time, days, above 0.
    reservoirs
        Reservoirs n of the cascade, 2 to 3.

    Returns
    -------
    ndarray
        Shares by day, sum 1.

    References
    ----------
    Nash, J. E. (1957). The form of the instantaneous unit hydrograph. IAHS 45, 114-121.

    Examples
    --------
    >>> unit_hydrograph(mean_days=1.0).round(3)[:4]
    array([0.577, 0.361, 0.056, 0.006])
    """
    if mean_days <= 0 or reservoirs <= 0:
        raise ValueError(f"expected positive numbers, found {mean_days} d, n = {reservoirs}")
    scale = mean_days / reservoirs
    days = int(np.ceil(gammaincinv(reservoirs, 0.999) * scale))
    shares = np.diff(gammainc(reservoirs, np.arange(days + 1) / scale))
    response: NDArray[np.float64] = shares / shares.sum()
    return response


def routing(*, basins: Mapping[str, Basin], basin_lag_days: float = BASIN_LAG_DAYS) -> xr.Dataset:
    """Tabulate which sub-basins drain to which, with area share and travel time.

    Parameters
    ----------
    basins
        Sub-basins by id.
    basin_lag_days
        Mean time from rain to the sub-basin's own outlet.

    Returns
    -------
    Dataset
        Dims (outlet, zone), both sub-basins named ``basin:<id>``: ``area_share`` (sum over zone 1)
        and ``travel_time_d`` (NaN where a zone does not drain to the outlet).

    Examples
    --------
    >>> from pipeline.geography.places import basins
    >>> net = routing(basins=basins()).sel(outlet="basin:mun")
    >>> net["area_share"].sel(zone="basin:chi").round(3).item()  # 49,000 of 119,000 km2
    0.412
    >>> net["travel_time_d"].sel(zone=["basin:chi", "basin:mun"]).values
    array([3.5, 1.5])
    """
    ids = list(basins)
    area, time = np.zeros((len(ids), len(ids))), np.full((len(ids), len(ids)), np.nan)
    for column, start in enumerate(basins.values()):
        basin, elapsed = start, basin_lag_days
        while True:
            row = ids.index(basin.id)
            area[row, column], time[row, column] = start.area_km2, elapsed
            if basin.downstream is None:
                break
            elapsed += basin.travel_time_d
            basin = basins[basin.downstream]
    names = [f"basin:{basin_id}" for basin_id in ids]
    return xr.Dataset(
        {
            "area_share": (
                ("outlet", "zone"),
                area / area.sum(axis=1, keepdims=True),
                {"units": "1"},
            ),
            "travel_time_d": (("outlet", "zone"), time, {"units": "days"}),
        },
        {"outlet": names, "zone": names},
    )


def routed_rain(*, rain: xr.DataArray, network: xr.Dataset, min_share: float = 0.9) -> xr.DataArray:
    """Route the rain on a catchment to its outlet.

    R_i(t) = Σ_b (A_b / A_i) Σ_τ u_b(τ) P_b(t − τ), u_b of :func:`unit_hydrograph` with the travel
    time from b to i.

    Parameters
    ----------
    rain
        mm per day, dims with ``time`` and ``zone``; zones outside the network are ignored.
    network
        From :func:`routing`, or any dataset with ``area_share`` and ``travel_time_d`` (outlet,
        zone).
    min_share
        Least share of the weights whose rain must be known; missing rain counts as the mean of
        the known.

    Returns
    -------
    DataArray
        mm per day, dims with ``time`` and ``outlet``.

    Raises
    ------
    ValueError
        Units other than mm, steps other than a day, or a zone of the network missing.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2001-03-01", dtype="datetime64[D]").astype("M8[ns]")
    >>> net = xr.Dataset(
    ...     {"area_share": (("outlet", "zone"), [[0.25, 0.75]]),
    ...      "travel_time_d": (("outlet", "zone"), [[4.0, 1.5]])},
    ...     {"outlet": ["o"], "zone": ["far", "near"]})
    >>> steady = xr.DataArray(np.full((59, 2), [8.0, 4.0]), {"time": time, "zone": net["zone"]},
    ...                       attrs={"units": "mm"})
    >>> round(routed_rain(rain=steady, network=net).values[-1].item(), 9)  # 8 / 4 + 4 * 3 / 4
    5.0
    """
    require_units(rain, "mm")
    if cadence(rain) != np.timedelta64(1, "D") or not 0.0 < min_share <= 1.0:
        raise ValueError(
            f"{rain.name}: expected daily steps and a share up to 1, found {cadence(rain)}, "
            f"{min_share}"
        )
    zones = [str(zone) for zone in network["zone"].values]
    absent = sorted(set(zones) - {str(zone) for zone in rain["zone"].values})
    if absent:
        raise ValueError(f"{rain.name}: expected the zones of the network, found no {absent}")
    share, time = (network[name].values for name in ("area_share", "travel_time_d"))
    responses = {
        (o, z): share[o, z] * unit_hydrograph(mean_days=float(time[o, z]))
        for o, z in zip(*np.nonzero(share), strict=True)
    }

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        series = np.moveaxis(x, (-1, -2), (0, 1)).astype(np.float64)  # zone, time, ...
        good = np.isfinite(series).astype(np.float64)
        filled = np.where(good > 0, series, 0.0)
        total = np.zeros((len(share), *series.shape[1:]))
        weights = np.zeros_like(total)
        days = series.shape[1]
        for (o, z), response in responses.items():
            for lag, weight in enumerate(response[:days]):
                total[o, lag:] += weight * filled[z, : days - lag]
                weights[o, lag:] += weight * good[z, : days - lag]
        weights = np.where(weights > 1 - 1e-9, 1.0, weights)
        mean = total / np.where(weights > 0, weights, 1.0)
        mean = np.where(weights >= min_share, mean, np.nan)
        return np.moveaxis(mean, (0, 1), (-1, -2)).astype(dtype)

    dtype = rain.dtype if np.issubdtype(rain.dtype, np.floating) else np.dtype(np.float64)
    rain_in = rain.sel(zone=zones)
    routed: xr.DataArray = xr.apply_ufunc(
        kernel,
        rain_in.chunk(time=-1, zone=-1) if rain_in.chunks else rain_in,
        input_core_dims=[["time", "zone"]],
        output_core_dims=[["time", "outlet"]],
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": {"outlet": len(share)}},
        keep_attrs=False,
    )
    order = ["outlet" if dim == "zone" else dim for dim in rain.dims]
    routed = routed.assign_coords(outlet=network["outlet"].values).transpose(*order)
    return routed.assign_attrs(units="mm", long_name="Rain as it arrives at the outlet")


def fit_stage_climatology(
    *, stage: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 15
) -> xr.Dataset:
    """Average the stage for each day of the year.

    Parameters
    ----------
    stage
        m, daily, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        Days on either side that are included; the year wraps around.

    Returns
    -------
    Dataset
        ``mean`` (m) by ``dayofyear`` (1-365, 29 February with the 28th), NaN where no value lies
        in the window. Attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Units other than m, steps other than a day, or no time in the period.
    """
    require_units(stage, "m")
    if cadence(stage) != np.timedelta64(1, "D"):
        raise ValueError(f"{stage.name}: expected daily steps, found {cadence(stage)}")
    part = select_period(stage, start=start, end=end)
    slot, size = slots(part["time"].values, "dayofyear"), SLOTS["dayofyear"]

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        good = np.isfinite(x)
        total, count = (
            sum_by_slot(values, slot, size=size, half_window=half_window_days)
            for values in (np.where(good, x, 0.0), good.astype(np.float64))
        )
        return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)

    mean = apply_along_time(kernel, part, output={"dayofyear": size})
    attrs = definition(
        part, start=start, end=end, index="stage climatology", half_window=half_window_days
    )
    return xr.Dataset(
        {"mean": mean.assign_attrs(units="m")}, {"dayofyear": np.arange(1, size + 1)}, attrs
    )


def stage_anomaly(*, stage: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Subtract the seasonal mean of the day of the year from the stage.

    Parameters
    ----------
    stage
        m, dims with ``time``.
    parameters
        From :func:`fit_stage_climatology`.

    Returns
    -------
    DataArray
        m, NaN where stage or climatology is missing.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2003-01-01", dtype="datetime64[D]").astype("M8[ns]")
    >>> stage = xr.DataArray(np.repeat([2.0, 4.0], 365), {"time": time}, attrs={"units": "m"})
    >>> from datetime import UTC, datetime
    >>> climatology = fit_stage_climatology(stage=stage, start=datetime(2001, 1, 1, tzinfo=UTC),
    ...                                     end=datetime(2003, 1, 1, tzinfo=UTC))
    >>> stage_anomaly(stage=stage, parameters=climatology).values[[0, 729]]
    array([-1.,  1.])
    """
    require_units(stage, "m")
    slot = slots(stage["time"].values, "dayofyear")

    def kernel(x: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
        return x - mean[slot - 1]

    anomaly = apply_along_time(kernel, stage, parameters["mean"], core=[["dayofyear"]])
    return anomaly.assign_attrs(
        units="m", long_name="Stage above its seasonal mean", **copy_reference_attrs(parameters)
    )
