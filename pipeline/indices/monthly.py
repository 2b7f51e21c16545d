"""Standardised indices of calendar months: rain, balance, soil moisture, runoff, discharge.

The same for cells of the grid, zones and gauges; parameters are fitted once and then applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.suite import select


def compute_standardised(
    values: Mapping[str, xr.DataArray],
    params: dict[str, xr.Dataset],
    *,
    months: NDArray[np.datetime64],
    period: tuple[datetime, datetime] | None = None,
) -> Iterator[tuple[str, xr.DataArray]]:
    """Compute the indices that the inputs allow, one after the other.

    Parameters
    ----------
    values
        By calendar month without gaps, dims with ``time``: ``rain``, ``pet`` and ``runoff`` (mm per
        month), ``soil_moisture`` (m3 m-3), ``discharge`` (m3 s-1, above 0). An absent input has
        no index; each is on its own months, and SPEI on those of both ``rain`` and ``pet``.
    params
        Parameters by name; where a period is given they are fitted and added here.
    months
        First days of the months to compute.
    period
        Reference period to fit, half-open.

    Yields
    ------
    tuple
        Name (``spi_3m`` and so on), and array with the dims of its input, NaN where unknown.
    """
    for row in select("months"):
        if row.accumulate is not None and set(row.inputs) <= set(values):
            series = row.series(values)
            fitted = row.parameters(params, series, family="months", period=period)
            recent = {name: da.reindex(time=months) for name, da in series.items()}
            yield row.name, row.describe(row.compute(recent, fitted))
