"""What a moment knows: both stores as of a run, and the stage model's inputs from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pandas as pd
import xarray as xr

from models.stage import features
from pipeline.alerts.evidence import Doubt
from pipeline.areal import substitutes
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.gridded import job as gridded_job
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.quality.selection import select_best
from pipeline.settings import Settings
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.storage.records import Records
from pipeline.times import utc64

INPUTS = timedelta(days=120)
"""Inputs that end before this are the history's, named by the model, not by the night."""
NO_MODELS = "none"
"""Version of the models of a run that had none."""


@dataclass(frozen=True)
class Snapshot:
    """Both stores as one run sees them, at its issue time; what it reads it keeps.

    Parameters
    ----------
    archive, records
        Stores, at the snapshot and batch of the run.
    asof
        Issue time.
    models, version
        Models by name, and their version.
    region
        Region whose grids and cities the stores hold.
    """

    archive: Archive
    records: Records
    asof: datetime
    models: dict[str, Any]
    version: str
    region: Region = "mekong"

    _windows: dict[tuple[str, datetime], pd.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def inputs(self) -> list[dict[str, Any]]:
        """Granules of the night, as of :func:`read_recent_inputs`."""
        return read_recent_inputs(self.records, asof=self.asof)

    @cached_property
    def zonal_record(self) -> xr.Dataset | None:
        """Zonal daily series up to the issue time, lazy; None where there are none."""
        try:
            return self.archive.read("zones", asof=self.asof)
        except NothingArchived:
            return None

    @cached_property
    def filled_record(self) -> xr.Dataset | None:
        """Zonal daily series with gaps filled by substitutes, to look at and not to fit; lazy."""
        if self.zonal_record is None:
            return None
        return substitutes.fill_gaps(self.zonal_record, self.archive, asof=self.asof)

    def readings(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings known at the issue time; a retired gauge goes on as its successor."""
        return with_successors(self.own_readings(variable, start=start), asof=self.asof)

    def own_readings(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings known at the issue time, of each gauge alone; else as :meth:`readings`."""
        return select_best(self._flagged(variable, start))

    def every_reading(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings of every method, and all that disagree; else as :meth:`readings`."""
        return with_successors(self._flagged(variable, start), asof=self.asof)

    def _flagged(self, variable: str, start: datetime | None) -> pd.DataFrame:
        """Read and flag an interval, once unless it is the whole record, which is not kept.

        A shorter interval is read anew, not cut out of a longer one, because flags depend on the
        interval: usual spacing, longest rests and numbers of faults are those of the readings read.
        """
        window = None if start is None else self._windows.get((variable, start))
        if window is None:
            window = self.records.readings.read_all(variable, asof=self.asof, start=start)
            if start is not None:
                self._windows[variable, start] = window
        return window


def open_snapshot(run: dict[str, Any], models: dict[str, Any], settings: Settings) -> Snapshot:
    """Open both stores as a run saw them.

    Parameters
    ----------
    run
        Row in the table of runs.
    models
        Models of the run by name.
    settings
        Where the stores are.
    """
    return Snapshot(
        Archive(settings.archive_dir, snapshot=run["snapshot"]),
        Records(settings.database, batch=run["batch"]),
        run["issue_time"],
        models,
        run["model_version"],
        settings.region,
    )


def open_stores(settings: Settings, *, asof: datetime) -> Snapshot:
    """Open both stores as they are, without models, to read what was known at a moment."""
    archive, records = Archive(settings.archive_dir), Records(settings.database)
    return Snapshot(archive, records, asof, {}, "", settings.region)


def read_recent_inputs(records: Records, *, asof: datetime) -> list[dict[str, Any]]:
    """Granules known at a moment that end within ``INPUTS`` before it, rejected ones too."""
    return records.inputs(asof=asof, start=asof - INPUTS)


def digest_inputs(archive: Archive, inputs: list[dict[str, Any]], *, asof: datetime) -> str:
    """SHA-256 of the inputs of a night: of its granules and of what the archive holds.

    Parameters
    ----------
    archive
        Hashed by what was known at ``asof``, whatever commits brought it: all of the zonal daily
        series, and the last ``INPUTS`` of all other products, because an older night that is made
        later adds grids before them. The indices of the grid are left out: no forecast rests on
        them, and they are made after it.
    inputs
        From :func:`read_recent_inputs`.
    asof
        Issue time.
    """
    digest = hashlib.sha256("".join(row["sha256"] for row in inputs).encode())
    digest.update(_digest_archive(archive, asof=asof).encode())
    return digest.hexdigest()


def _digest_archive(archive: Archive, *, asof: datetime) -> str:
    digest = hashlib.sha256()
    for product in archive.products():
        if product in {gridded_job.DAILY, gridded_job.MONTHLY}:
            continue
        start = None if product == "zones" else asof - INPUTS
        rows, times = archive.rows(product, asof=asof, start=start)
        digest.update(f"{product} {archive.digest(product, rows)}".encode() + times.tobytes())
    return digest.hexdigest()


def with_successors(readings: pd.DataFrame, *, asof: datetime) -> pd.DataFrame:
    """Continue the series of each gauge that is retired as of a moment by its successor's."""
    parts = [readings, *_read_successors(readings, asof=asof).values()]
    return pd.concat(parts).sort_values(["station", "valid_time"], ignore_index=True)


def _list_successors(asof: datetime) -> dict[str, str]:
    """Successor of each gauge that is retired as of a moment."""
    return {
        gauge.code: gauge.replaced_by
        for gauge in places.stations(asof=asof).values()
        if gauge.replaced_by is not None
    }


def _read_successors(readings: pd.DataFrame, *, asof: datetime) -> dict[str, pd.DataFrame]:
    """Return the readings that continue the series of each retired gauge, under its code."""
    continued = {}
    for code, successor in _list_successors(asof).items():
        last = readings.loc[readings["station"] == code, "valid_time"].max()
        later = readings[readings["station"] == successor]
        later = later[~(later["valid_time"] <= last)]
        continued[code] = later.assign(station=code)
    return continued


def read_stage_inputs(
    snapshot: Snapshot, *, start: datetime | None, believed: Mapping[str, Doubt] | None = None
) -> features.StageInputs:
    """Return the stage model's inputs from the stores.

    Parameters
    ----------
    snapshot
        What the run knows.
    start
        First moment; None for the whole record.
    believed
        Newest reading by gauge that is used whatever its flag.
    """
    stages = snapshot.readings("stage", start=start)
    for code, doubt in (believed or {}).items():
        time = pd.Timestamp(utc64(doubt.time))
        stages.loc[(stages["station"] == code) & (stages["valid_time"] == time), "qc"] = "good"
    return features.build_inputs(
        stage=stages,
        rain=snapshot.readings("rain", start=start),
        zonal=snapshot.zonal_record,
        asof=snapshot.asof,
        start=start,
    )


def inputs_as_of(
    snapshot: Snapshot, *, start: datetime
) -> Callable[[datetime, datetime], features.StageInputs | None]:
    """Return a reader of the stage model's inputs as they were known at earlier issue times.

    Parameters
    ----------
    snapshot
        What is known in the end.
    start
        First moment of interest.

    Returns
    -------
    callable
        Of a moment and the first time wanted: the inputs as they were known then, or None where
        they equal what the snapshot has up to that moment, because everything had come by its
        morning, nothing was corrected later and no gauge has got a successor since.
    """
    record = snapshot.zonal_record
    stages, rain = (snapshot.readings(name, start=start) for name in ("stage", "rain"))
    spans = [rain[["valid_time", "available_time"]]]
    if record is not None:
        days = pd.DatetimeIndex(record["time"].values) + pd.Timedelta(days=1)
        came = pd.DatetimeIndex(record["available_time"].values)
        spans.append(pd.DataFrame({"valid_time": days, "available_time": came}))
    every = pd.concat(spans, ignore_index=True)
    morning = every["valid_time"].dt.ceil("D") + pd.Timedelta(minutes=30)
    counts = stages["qc"].isin([*quality_flags.USED, "absolute"])
    late = pd.DataFrame({"begin": every["valid_time"], "end": every["available_time"]})
    late = pd.concat(
        [late[every["available_time"] > morning], mornings.find_late_mornings(stages, counts)]
    )
    from_time, to_time = (late[name].to_numpy("datetime64[ns]") for name in ("begin", "end"))
    successors = _list_successors(snapshot.asof)
    continued = [
        _read_successors(snapshot.own_readings(name, start=start), asof=snapshot.asof)
        for name in ("stage", "rain")
    ]
    continued_at = {
        code: pd.concat([part[code]["valid_time"] for part in continued]).to_numpy("datetime64[ns]")
        for code in successors
    }

    def read(moment: datetime, since: datetime) -> features.StageInputs | None:
        at, first = utc64(moment), utc64(since)
        then = _list_successors(moment)
        later = [
            ((first <= times) & (times <= at)).any()
            for code, times in continued_at.items()
            if then.get(code) != successors[code]
        ]
        if not any(later) and not ((from_time <= at) & (at < to_time) & (from_time >= first)).any():
            return None
        return read_stage_inputs(replace(snapshot, asof=moment), start=since)

    return read
