"""The standardised indices of calendar months: rain, balance, soil moisture, runoff, discharge.

The same for cells of the grid, zones and gauges; every law is fitted once and then applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.suite import select


def standardised(
    values: Mapping[str, xr.DataArray],
    laws: dict[str, xr.Dataset],
    *,
    months: NDArray[np.datetime64],
    period: tuple[datetime, datetime] | None = None,
) -> Iterator[tuple[str, xr.DataArray]]:
    """Make the indices that the inputs allow, one after the other.

    Parameters
    ----------
    values
        By calendar month without gaps, dims with ``time``: ``rain``, ``pet`` and ``runoff`` (mm per
        month), ``soil_moisture`` (m3 m-3), ``discharge`` (m3 s-1, above 0). What is not there has
        no index; each is on its own months, and SPEI on those of both ``rain`` and ``pet``.
    laws
        By name the parameters; where a period is given they are fitted on the way and put here.
    months
        Months wanted, by their first days.
    period
        Reference period to fit, half-open.

    Yields
    ------
    tuple
        ``spi_3m`` and so on, and an array with the dims of its input, NaN where not known.
    """
    for row in select("months"):
        if row.accumulate is not None and set(row.of) <= set(values):
            series = row.series(values)
            params = row.parameters(laws, series, family="months", period=period)
            recent = {name: da.reindex(time=months) for name, da in series.items()}
            yield row.name, row.describe(row.compute(recent, params))
