"""Products of the archive by zone, and parameters by zone, on the zones of the reference tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import xarray as xr

from pipeline.choices import Region
from pipeline.geography.places import zones
from pipeline.storage.archive import Archive


def read_zonal(
    archive: Archive,
    product: str,
    *,
    asof: datetime,
    region: Region,
    start: datetime | None = None,
    end: datetime | None = None,
) -> xr.Dataset:
    """Read a product by zone on the zones that the tables have as of a moment.

    Parameters
    ----------
    archive
        Archive of the product.
    product
        Group with dims (time, zone).
    asof, start, end
        As for :meth:`pipeline.storage.archive.Archive.read`.
    region
        Region of the zones.

    Returns
    -------
    xarray.Dataset
        Zones in the order of the tables; NaN for those that the archive does not hold, and without
        those that have left the tables. Lazy.

    Raises
    ------
    NothingArchived
        No step of the product was known by then in that interval.
    """
    ds = archive.read(product, asof=asof, start=start, end=end)
    return put_on_zones(ds, list(zones(region, asof=asof)))


def put_on_zones(ds: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Put a dataset on some zones, in their order, NaN for those that it lacks; lazy as it is.

    Examples
    --------
    >>> ds = xr.Dataset({"rain": ("zone", [1.0, 2.0])}, {"zone": ["gone", "old"]})
    >>> put_on_zones(ds, ["old", "new"])["rain"].values
    array([ 2., nan])
    """
    if "zone" not in ds.dims or ds["zone"].values.tolist() == list(names):
        return ds
    return ds.reindex(zone=np.array(names, dtype=str))


def put_parameters_on_zones(
    parameters: Mapping[str, xr.Dataset], names: Sequence[str]
) -> dict[str, xr.Dataset]:
    """Put the parameters of indices on some zones: unknown, as NaN, where none were fitted."""
    return {name: put_on_zones(fitted, names) for name, fitted in parameters.items()}
