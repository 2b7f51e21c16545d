"""The one list of indices, a row each, for zones, cells of the grid and calendar months.

A new index is a function in this package and a row here (docs/adding-an-index.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

import xarray as xr

from pipeline.indices.common import require_units
from pipeline.indices.drought import (
    drought_score,
    fit_percentile,
    fit_score,
    mekong_cdi,
    percentile,
    usdm_class,
)
from pipeline.indices.extremes import fit_return_period
from pipeline.indices.flow import fit_sdi, fit_sri, mean_flow, sdi, sri
from pipeline.indices.rain import API_FACTOR, WET_DAY_MM, accumulation, api, dry_spell
from pipeline.indices.season import MIN_YEARS as SEASON_YEARS
from pipeline.indices.season import fit_wet_season
from pipeline.indices.soil import MIN_YEARS as SOIL_YEARS
from pipeline.indices.soil import fit_ssi, ssi
from pipeline.indices.spei import fit_spei, spei, water_balance
from pipeline.indices.spi import MIN_YEARS, fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation
from pipeline.indices.windows import moving_sum

Family = Literal["zones", "cells", "months"]

MIN_SHARE = 0.9
"""Share of a window's days that must be known: a lost day of satellite rain blanks windows of up to
9 days, and counts as the mean of the known days in longer ones."""
SOIL_DAYS = 5
"""Largest age of a soil moisture value (days); SMAP L4 comes 2-3 days late."""
VEGETATION_DAYS = 45
"""Largest age of a monthly composite (days)."""
_ALL_DAYS: tuple[Family, ...] = ("zones", "cells")


@dataclass(frozen=True)
class Index:
    """An index, for every family of series that it is computed for.

    Parameters
    ----------
    name
        Name in the archive and in published files.
    long_name, units
        CF attributes of the results.
    valid_min, valid_max
        Possible range in ``units``; values outside are left out and counted.
    families
        ``zones`` and ``cells``, both by day, and ``months``: calendar months of zones and cells,
        and of gauges where it is computed from discharge.
    inputs
        Names of the inputs, or of indices further up in the list, that it is computed from.
    window
        Days, or calendar months, that ``accumulate`` covers.
    accumulate
        Takes the inputs by their names, and ``steps``; returns the series that ``fit`` and
        ``apply`` take, or the index itself where there is no ``apply``.
    fit
        Returns the parameters from the series and a reference period (``start``, ``end``).
    apply
        Returns the index from the series, and from ``parameters`` where there is ``fit``. Without
        ``accumulate`` and ``apply``, each family has code of its own for the index.
    keywords
        Keywords of the series in ``fit`` and ``apply``, in the order of ``inputs``; by default
        the same names.
    params
        Name under which the parameters are stored; by default that of the index.
    max_age_days
        Largest age of the last known value (days); 0 where it is used on its own day only.
    min_years
        Fewer whole years of monthly inputs give no parameters.
    zone_name, zone_long_name
        Names in files of zones until schema version 2, where they differ.
    """

    name: str
    long_name: str
    units: str
    valid_min: float
    valid_max: float
    families: tuple[Family, ...]
    inputs: tuple[str, ...]
    window: int = 0
    accumulate: Callable[..., xr.DataArray] | None = None
    fit: Callable[..., xr.Dataset] | None = None
    apply: Callable[..., xr.DataArray] | None = None
    keywords: tuple[str, ...] = ()
    params: str = ""
    max_age_days: int = 0
    min_years: int = MIN_YEARS
    zone_name: str = ""
    zone_long_name: str = ""

    def series(self, values: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
        """Return the series that ``fit`` and ``apply`` take, by keyword.

        Parameters
        ----------
        values
            The inputs and indices that the index is computed from, and any others.
        """
        inputs = {name: values[name] for name in self.inputs}
        if self.accumulate is not None:
            total = self.accumulate(**inputs, steps=self.window)
            return dict.fromkeys(self.keywords or (self.name,), total)
        return dict(zip(self.keywords or self.inputs, inputs.values(), strict=True))

    def parameters(
        self,
        params: dict[str, xr.Dataset],
        series: Mapping[str, xr.DataArray],
        *,
        family: Family,
        period: tuple[datetime, datetime] | None = None,
    ) -> xr.Dataset:
        """Return the stored parameters, fitted first where a reference period is given.

        Empty where the index has none.

        Parameters
        ----------
        params
            Parameters by name; fitted ones are added.
        series
            From :meth:`series`.
        family
            Family of the series.
        period
            Reference period, half-open.
        """
        if self.fit is None:
            return xr.Dataset()
        name = self.params_in(family)
        if period is not None:
            params[name] = self.fit(**series, start=period[0], end=period[1])
        return params[name]

    def compute(
        self, series: Mapping[str, xr.DataArray], parameters: xr.Dataset | None = None
    ) -> xr.DataArray:
        """Compute the index from its series and, where it is fitted, its parameters."""
        if self.apply is None:
            (total,) = series.values()
            return total
        if self.fit is None:
            return self.apply(**series)
        return self.apply(**series, parameters=parameters)

    def describe(self, da: xr.DataArray, family: Family = "cells") -> xr.DataArray:
        """Set the long name of a result.

        Raises
        ------
        ValueError
            Its units differ from those of the row.
        """
        require_units(da, self.units)
        zonal = self.zone_long_name if family == "zones" else ""
        return da.assign_attrs(long_name=zonal or self.long_name)

    def name_in(self, family: Family) -> str:
        """Return the name in files and archive of a family."""
        return (self.zone_name if family == "zones" else "") or self.name

    def params_in(self, family: Family) -> str:
        """Return the name under which a family stores the parameters."""
        return self.params or self.name_in(family)


def _mean_soil(*, soil_moisture: xr.DataArray, steps: int) -> xr.DataArray:
    return soil_moisture.rolling(time=steps).mean().assign_attrs(soil_moisture.attrs)


def _total_runoff(*, runoff: xr.DataArray, steps: int) -> xr.DataArray:
    require_units(runoff, "mm")
    return moving_sum(values=runoff, steps=steps).assign_attrs(units="mm")


TOTALS = tuple(
    Index(
        f"rain_{days}d", f"Rain of {days} days", "mm", 0.0, 2000.0 * days,
        _ALL_DAYS if days > 1 else ("zones",), inputs=("rain",), window=days,
        accumulate=partial(accumulation, min_share=MIN_SHARE), keywords=("total",),
        fit=fit_return_period if days <= 3 else None,
    )
    for days in (1, 3, 7, 30, 90)
)  # fmt: skip
"""Totals of rain over days; bounded by the daily rain."""
EXTREMES = tuple(row for row in TOTALS if row.fit is not None)
"""Totals whose return periods are computed; the parameters are stored by their names."""
_RAIN = (
    Index(
        "api", f"Antecedent precipitation index, k = {API_FACTOR}", "mm", 0.0, 20_000.0, _ALL_DAYS,
        inputs=("rain",), apply=partial(api, min_share=MIN_SHARE),
    ),
    Index(
        "dry_spell", f"Days since rain of {WET_DAY_MM} mm or more", "days", 0.0, 20_000.0,
        _ALL_DAYS, inputs=("rain",), apply=dry_spell,
    ),
    Index(
        "rain_return_period", "Return period of the rain of one or three days", "years",
        1.0, 1000.0, _ALL_DAYS, inputs=tuple(row.name for row in EXTREMES),
    ),
    Index(
        "routed_rain", "Rain as it arrives at the outlet", "mm", 0.0, 2000.0, ("zones",),
        inputs=("rain",),
    ),
)  # fmt: skip
DROUGHT = (
    *(
        Index(
            f"spi_{days}d", "Standardised precipitation index", "1", -4.0, 4.0, _ALL_DAYS,
            inputs=(f"rain_{days}d",), fit=fit_spi, apply=spi, keywords=("total",),
            zone_name=f"spi{days}", zone_long_name=f"SPI of {days} days",
        )
        for days in (30, 90)
    ),
    Index(
        "soil_moisture_percentile", "Seasonal percentile of soil_moisture", "%", 0.0, 100.0,
        _ALL_DAYS, inputs=("soil_moisture",), fit=fit_percentile, apply=percentile,
        keywords=("values",), params="soil_moisture", max_age_days=SOIL_DAYS,
    ),
    Index(
        "vhi", "Vegetation health index", "%", 0.0, 100.0, _ALL_DAYS, inputs=("ndvi", "lst"),
        fit=fit_vegetation, params="vegetation", max_age_days=VEGETATION_DAYS,
    ),
    Index(
        "drought_score", "Drought score", "1", -4.0, 4.0, _ALL_DAYS,
        inputs=("spi_90d", "soil_moisture_percentile"), fit=fit_score, apply=drought_score,
        keywords=("spi3", "soil_moisture_percentile"), params="score",
    ),
    Index(
        "drought_class", "Drought class", "1", -1.0, 4.0, _ALL_DAYS,
        inputs=("drought_score",), apply=usdm_class, keywords=("index",),
    ),
    Index(
        "cdi", "Combined drought indicator of the Mekong", "1", 0.0, 3.0, _ALL_DAYS,
        inputs=("spi_30d", "spi_90d", "soil_moisture_percentile", "vhi"), apply=mekong_cdi,
        keywords=("spi1", "spi3", "soil_moisture_percentile", "vhi"),
    ),
)  # fmt: skip
"""Drought state of a day; standardised indices are bounded by their own clip, with room."""
_BALANCE = tuple(
    Index(
        f"spei_{days}d", "Standardised precipitation-evapotranspiration index", "1", -4.0, 4.0,
        ("cells",), inputs=("rain", "pet"), window=days,
        accumulate=partial(water_balance, min_share=MIN_SHARE),
        fit=fit_spei, apply=spei, keywords=("balance",),
    )
    for days in (30, 90)
)  # fmt: skip
_MONTHS = (
    *(
        row
        for months in (1, 3, 6, 9, 12)
        for row in (
            Index(
                f"spi_{months}m", "Standardised precipitation index", "1", -4.0, 4.0, ("months",),
                inputs=("rain",), window=months, accumulate=accumulation,
                fit=fit_spi, apply=spi, keywords=("total",),
            ),
            Index(
                f"spei_{months}m", "Standardised precipitation-evapotranspiration index", "1",
                -4.0, 4.0, ("months",), inputs=("rain", "pet"), window=months,
                accumulate=water_balance, fit=fit_spei, apply=spei, keywords=("balance",),
            ),
        )
    ),
    *(
        Index(
            f"ssi_{months}m", "Standardised soil-moisture index", "1", -4.0, 4.0, ("months",),
            inputs=("soil_moisture",), window=months, accumulate=_mean_soil,
            fit=fit_ssi, apply=ssi, keywords=("soil_moisture",), min_years=SOIL_YEARS,
        )
        for months in (1, 3)
    ),
    *(
        Index(
            f"sri_{months}m", "Standardised runoff index", "1", -4.0, 4.0, ("months",),
            inputs=("runoff",), window=months, accumulate=_total_runoff,
            fit=fit_sri, apply=sri, keywords=("runoff",),
        )
        for months in (1, 3, 6, 12)
    ),
    # Z-scores of discharge have no clip.
    *(
        Index(
            f"sdi_{months}m", "Streamflow drought index", "1", -15.0, 15.0, ("months",),
            inputs=("discharge",), window=months, accumulate=mean_flow,
            fit=fit_sdi, apply=sdi, keywords=("discharge",),
        )
        for months in (1, 3, 6, 12)
    ),
    Index(
        "low_flow_ratio", "Discharge over the agreed low flow", "1", 0.0, 1000.0, ("months",),
        inputs=("discharge",),
    ),
    *(
        Index(
            f"wet_season_{moment}", f"{moment.capitalize()} of the wet season", "days",
            -366.0, 732.0, ("months",), inputs=("rain",),
            fit=fit_wet_season, params="wet_season", min_years=SEASON_YEARS,
        )
        for moment in ("onset", "retreat", "length")
    ),
)  # fmt: skip

SUITE = (*TOTALS, *_RAIN, *DROUGHT, *_BALANCE, *_MONTHS)
"""All indices, each after those that it is computed from, in the order of published variables. A
row without code of its own in a family is computed for all of its ``families``."""
INDICES = {row.name: row for row in SUITE} | {row.zone_name: row for row in SUITE if row.zone_name}
"""Rows by every name in archive and published files."""


def select(family: Family) -> list[Index]:
    """Return the indices of a family, in order."""
    return [row for row in SUITE if family in row.families]


def inputs_of(name: str) -> set[str]:
    """Return the inputs that an index, or parameters of that name, ultimately depend on.

    Examples
    --------
    >>> sorted(inputs_of("score")), sorted(inputs_of("spei_30d"))
    (['rain', 'soil_moisture'], ['pet', 'rain'])
    """
    parts = next(row.inputs for row in SUITE if name in {row.params, row.name})
    return set().union(*(inputs_of(part) if part in INDICES else {part} for part in parts))
