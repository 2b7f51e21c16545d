"""One row per variable of a source: its name, units, CF standard name and valid range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

_ROUNDING = 1e-6
"""Share of a range by which float32 may miss its ends."""


@dataclass(frozen=True)
class Variable:
    """Name, units and valid range of a variable, wherever it appears.

    Parameters
    ----------
    name
        Name in datasets and tables.
    units
        UDUNITS string.
    long_name
        Long name for people.
    standard_name
        CF standard name, empty where CF has none.
    valid_min, valid_max
        Physically possible range in ``units``.
    """

    name: str
    units: str
    long_name: str
    standard_name: str
    valid_min: float
    valid_max: float


VARIABLES = {
    row.name: row
    for row in (
        Variable("rain_rate", "mm h-1", "Rain rate", "lwe_precipitation_rate", 0.0, 500.0),
        Variable("rain", "mm", "Rain", "lwe_thickness_of_precipitation_amount", 0.0, 2000.0),
        Variable("n_valid", "1", "Half-hours that went into the sum", "", 0.0, 48.0),
        Variable("coverage", "1", "Share of the zone's area with a value", "", 0.0, 1.0),
        Variable("soil_moisture", "m3 m-3", "Root-zone soil moisture",
                 "volume_fraction_of_condensed_water_in_soil", 0.0, 1.0),
        Variable("soil_moisture_surface", "m3 m-3", "Soil moisture of the top 5 cm",
                 "volume_fraction_of_condensed_water_in_soil", 0.0, 1.0),
        Variable("soil_moisture_profile", "m3 m-3", "Soil moisture down to bedrock",
                 "volume_fraction_of_condensed_water_in_soil", 0.0, 1.0),
        Variable("root_water", "kg m-2", "Water in the root zone of the vegetation",
                 "mass_content_of_water_in_soil", 0.0, 3000.0),
        Variable("runoff", "mm", "Surface and subsurface runoff of the step", "", 0.0, 5000.0),
        Variable("air_temperature", "K", "Air temperature", "air_temperature", 200.0, 340.0),
        Variable("pet", "mm d-1", "Potential evaporation", "", -10.0, 100.0),
        Variable("flood_share", "1", "Flooded share of the area that was seen", "", 0.0, 1.0),
        Variable("seen_share", "1", "Share of the cell's area that was seen", "", 0.0, 1.0),
        Variable("ndvi", "1", "Normalised difference vegetation index",
                 "normalized_difference_vegetation_index", -1.0, 1.0),
        Variable("lst", "K", "Land surface temperature by day", "surface_temperature",
                 200.0, 350.0),
        Variable("stage", "m", "Stage above gauge zero",
                 "water_surface_height_above_reference_datum", -5.0, 60.0),
        Variable("discharge", "m3 s-1", "Discharge",
                 "water_volume_transport_in_river_channel", 0.0, 120_000.0),
    )
}  # fmt: skip


LEAST_HALF_HOURS = 39
"""A day with fewer of its 48 half-hours (80 %) has no sum, ``n_valid`` of them."""


def attributes(name: str) -> dict[str, str]:
    """CF attributes of a variable.

    Examples
    --------
    >>> attributes("rain")["units"]
    'mm'
    """
    row = VARIABLES[name]
    values = {"units": row.units, "long_name": row.long_name, "standard_name": row.standard_name}
    return {key: text for key, text in values.items() if text}


def outside(values: xr.DataArray, name: str) -> xr.DataArray:
    """Find values outside a variable's valid range, infinite ones too; lazy where they are.

    Parameters
    ----------
    values
        Values in the variable's units; missing values are not outside.
    name
        Name of the variable in the table.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> outside(xr.DataArray([2000.0, 2001.0, np.inf, -1.0, np.nan]), "rain").values.tolist()
    [False, True, True, True, False]
    """
    row = VARIABLES[name]
    return outside_range(values, row.valid_min, row.valid_max)


def outside_range(values: xr.DataArray, valid_min: float, valid_max: float) -> xr.DataArray:
    """Find values outside a range, but for the rounding of float32, as :func:`outside` does."""
    slack = _ROUNDING * (valid_max - valid_min)
    return (values < valid_min - slack) | (values > valid_max + slack)
