"""A night's snapshot as if some sources had given nothing lately; the stores stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.areal import daily_series, substitutes
from pipeline.areal.zonal_record import put_on_zones
from pipeline.issuance.missing import find_suspect_files
from pipeline.issuance.snapshot import Snapshot
from pipeline.sources import SOURCES
from pipeline.storage.archive import Archive
from pipeline.times import day_start, naive_timestamp, utc64

MOST_NIGHTS = 3660
"""Most nights for which sources can be left out: ten years."""
LOADED_BYTES = 200e6
"""Size up to which a product's steps are loaded at once: three weeks of half-hours of the basin."""


def find_sources(names: str | Collection[str]) -> set[str]:
    """Find sources by their ids or by the beginnings of these; one needs no collection.

    Raises
    ------
    LookupError
        There is none of that name.

    Examples
    --------
    >>> sorted(find_sources(["imerg", "smap_l3"]))
    ['imerg_daily', 'imerg_daily_final', 'imerg_early', 'imerg_final', 'imerg_late', 'smap_l3']
    """
    names = [names] if isinstance(names, str) else names  # else its letters
    known = [row.id for row in SOURCES.values() if row.kind != "zones"]
    sources = set[str]()
    for name in names:
        matching = [source for source in known if source == name or source.startswith(f"{name}_")]
        if not matching:
            raise LookupError(f"without: expected sources of {', '.join(known)}, found {name!r}")
        sources.update(matching)
    return sources


def withhold(snapshot: Snapshot, sources: Collection[str], *, nights: int) -> Snapshot:
    """Return a snapshot as if nothing of some sources had come in the last nights.

    The zonal daily series of these days are made again in memory, from what is left.

    Parameters
    ----------
    snapshot
        Snapshot of the night.
    sources
        Ids of the sources.
    nights
        Number of nights.

    Raises
    ------
    ValueError
        The nights are no whole number from 1 to :data:`MOST_NIGHTS`.
    """
    if nights % 1 or not 1 <= nights <= MOST_NIGHTS:
        raise ValueError(f"nights: expected a whole number from 1 to {MOST_NIGHTS}, found {nights}")
    asof, since = snapshot.asof, snapshot.asof - timedelta(days=nights)
    archive = _Archive(snapshot.archive, dead=sources, since=since)
    end = day_start(asof)
    start = end - timedelta(days=nights)
    grids = {row.id for row in SOURCES.values() if row.kind == "grid"} & set(sources)
    if snapshot.zonal_record is not None and grids:
        suspects = find_suspect_files(snapshot.records, asof=asof, start=start)
        days: dict[str, Any] = {"asof": asof, "start": start, "end": end, "region": snapshot.region}
        series, shares, doubts = daily_series.make_daily_series(archive, suspects=suspects, **days)
        made = {"zones": series, "rain_shares": shares}
        if "doubts" in archive.products():
            made["doubts"] = doubts
        tables = substitutes.make_substitutes(archive, **days)
        made |= {name: ds for name, ds in tables.items() if name == substitutes.PRODUCT}
        archive.lay_over(made)
    return _Snapshot(
        archive,
        snapshot.records,
        asof,
        snapshot.models,
        snapshot.version,
        snapshot.region,
        dead=frozenset(sources),
        since=since,
    )


class _Archive(Archive):
    """Archive without what some products gave since a moment, and with steps laid over it."""

    def __init__(self, archive: Archive, *, dead: Collection[str], since: datetime) -> None:
        super().__init__(archive.folder, snapshot=archive.snapshot, cut=archive.cut)
        self._dead, self._since = dead, utc64(since)
        self._laid_over = dict[str, xr.Dataset]()

    def lay_over(self, made: Mapping[str, xr.Dataset]) -> None:
        """Lay steps over those of products; of a time they are the version known last."""
        for product, ds in made.items():
            steps = ds.assign_coords(digest=("time", np.zeros(ds.sizes["time"], np.int64)))
            if product in self.products():
                stored = self._open(product)
                steps = put_on_zones(steps, stored["zone"].values.tolist())
                joined = xr.concat(
                    [stored, steps], "time", data_vars="minimal", join="override",
                    combine_attrs="override",
                )  # fmt: skip
                for name in joined.data_vars:
                    joined[name].encoding["chunks"] = stored[name].encoding["chunks"]
                self._laid_over[product] = joined

    def read(
        self,
        product: str,
        *,
        asof: datetime,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> xr.Dataset:
        """Read as the archive does; what is small is loaded, as its graph costs more than it."""
        ds = super().read(product, asof=asof, start=start, end=end)
        return ds.load() if ds.nbytes <= LOADED_BYTES else ds

    def _open(self, product: str) -> xr.Dataset:
        if product in self._laid_over:
            return self._laid_over[product]
        ds = super()._open(product)
        if product in self._dead:
            ds = ds.isel(time=ds["available_time"].values < self._since)
        return ds


@dataclass(frozen=True)
class _Snapshot(Snapshot):
    """Snapshot without the readings that some sources gave since a moment."""

    dead: frozenset[str] = frozenset()
    since: datetime | None = None

    def _flagged(self, variable: str, start: datetime | None) -> pd.DataFrame:
        window = super()._flagged(variable, start)
        if self.since is None:
            return window
        came = window["available_time"] >= naive_timestamp(self.since)
        return window[~(window["source"].isin(self.dead) & came)].reset_index(drop=True)
