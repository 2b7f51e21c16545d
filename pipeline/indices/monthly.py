"""The standardised indices of calendar months: rain, balance, soil moisture, runoff, discharge.

The same for cells of the grid, zones and gauges; every law is fitted once and then applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import law_of, require_units
from pipeline.indices.flow import fit_sdi, fit_sri, mean_flow, sdi, sri
from pipeline.indices.rain import accumulation
from pipeline.indices.soil import fit_ssi, ssi
from pipeline.indices.spei import fit_spei, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.windows import moving_sum

WINDOWS, SOIL_WINDOWS, FLOW_WINDOWS = (1, 3, 6, 9, 12), (1, 3), (1, 3, 6, 12)
"""Lengths in months of SPI and SPEI, of SSI, of SRI and SDI."""


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
    law = partial(law_of, laws)
    if "rain" in values:
        for n in WINDOWS:
            total = accumulation(rain=values["rain"], steps=n)
            kept = law(f"spi_{n}m", period, fit_spi, total=total)
            yield f"spi_{n}m", spi(total=total.reindex(time=months), parameters=kept)
            if "pet" in values:
                total = water_balance(rain=values["rain"], pet=values["pet"], steps=n)
                kept = law(f"spei_{n}m", period, fit_spei, balance=total)
                yield f"spei_{n}m", spei(balance=total.reindex(time=months), parameters=kept)
    if "soil_moisture" in values:
        for n in SOIL_WINDOWS:
            soil = values["soil_moisture"].rolling(time=n).mean()
            soil = soil.assign_attrs(values["soil_moisture"].attrs)
            kept = law(f"ssi_{n}m", period, fit_ssi, soil_moisture=soil)
            yield f"ssi_{n}m", ssi(soil_moisture=soil.reindex(time=months), parameters=kept)
    if "runoff" in values:
        require_units(values["runoff"], "mm")
        for n in FLOW_WINDOWS:
            total = moving_sum(values=values["runoff"], steps=n).assign_attrs(units="mm")
            kept = law(f"sri_{n}m", period, fit_sri, runoff=total)
            yield f"sri_{n}m", sri(runoff=total.reindex(time=months), parameters=kept)
    if "discharge" in values:
        for n in FLOW_WINDOWS:
            flow = mean_flow(discharge=values["discharge"], steps=n)
            kept = law(f"sdi_{n}m", period, fit_sdi, discharge=flow)
            yield f"sdi_{n}m", sdi(discharge=flow.reindex(time=months), parameters=kept)
