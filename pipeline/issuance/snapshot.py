"""Data known at a moment: both stores as of a run, and the stage model's inputs from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

import pandas as pd
import xarray as xr

from models.stage import features
from pipeline.alerts.evidence import Doubt
from pipeline.areal import substitutes
from pipeline.areal.zonal_record import read_zonal
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.gridded import job as gridded_job
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.quality.selection import select_best
from pipeline.settings import Settings
from pipeline.storage.archive import Archive, NothingArchived, NotKept
from pipeline.storage.archive_clean_up import find_dropped_until
from pipeline.storage.records import Records
from pipeline.times import utc64

INPUT_LOOK_BACK = timedelta(days=120)
"""Inputs that end earlier belong to the history; the model names them, not the night."""
RAIN_LOOK_BACK = timedelta(days=30)
"""Runs read rain at steps below a day of the last three days, decisions made again of some more."""
NO_MODELS = "none"
"""Model version of a run without models."""


@dataclass(frozen=True)
class Snapshot:
    """Both stores as a run sees them at its issue time; reads are cached.

    Parameters
    ----------
    archive, records
        Stores at the snapshot and batch of the run.
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
        """Granules of the night, from :func:`read_recent_inputs`."""
        return read_recent_inputs(self.records, asof=self.asof)

    @cached_property
    def zonal_record(self) -> xr.Dataset | None:
        """Zonal daily series of the tables' zones up to the issue time, lazy; None without any."""
        try:
            return read_zonal(self.archive, "zones", asof=self.asof, region=self.region)
        except NothingArchived:
            return None

    @cached_property
    def filled_record(self) -> xr.Dataset | None:
        """Zonal daily series with gaps filled by substitutes, for prediction only; lazy."""
        if self.zonal_record is None:
            return None
        return substitutes.fill_gaps(self.zonal_record, self.archive, asof=self.asof)

    @cached_property
    def stages_of_week(self) -> pd.DataFrame:
        """Stages of the last seven days, from :meth:`readings`; not to be changed."""
        return self.readings("stage", start=self.asof - timedelta(days=7))

    def readings(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings known at the issue time; a successor continues a retired gauge."""
        return append_successors(self.own_readings(variable, start=start), asof=self.asof)

    def own_readings(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings known at the issue time, without successors; see :meth:`readings`."""
        return select_best(self._flagged(variable, start))

    def every_reading(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings of every method, conflicting ones included; see :meth:`readings`."""
        return append_successors(self._flagged(variable, start), asof=self.asof)

    def _flagged(self, variable: str, start: datetime | None) -> pd.DataFrame:
        """Read and flag an interval; cached unless it is the whole record.

        A shorter interval is read again, not cut out of a longer one, because flags depend on the
        interval: usual spacing, longest rests and numbers of faults are those of its readings.
        """
        window = None if start is None else self._windows.get((variable, start))
        if window is None:
            window = self.records.readings.read_all(variable, asof=self.asof, start=start)
            if start is not None:
                self._windows[variable, start] = window
        return window


def open_snapshot(
    run: dict[str, Any],
    models: dict[str, Any],
    settings: Settings,
    *,
    kind: Literal["run", "watch"] = "run",
) -> Snapshot:
    """Open both stores as a run saw them, or an hourly watch.

    Parameters
    ----------
    run
        Row in the table of runs; for a watch with its own moment, snapshot and batch.
    models
        Models of the run by name.
    settings
        Location of the stores.
    kind
        What the message of the error names.

    Raises
    ------
    NotKept
        What the run saw is no longer kept.
    """
    records = Records(settings.database, batch=run["batch"])
    return Snapshot(
        _open_archive(run, records, settings, kind),
        records,
        run["issue_time"],
        models,
        run["model_version"],
        settings.region,
    )


def _open_archive(
    run: Mapping[str, Any], records: Records, settings: Settings, kind: str
) -> Archive:
    """Open the archive as a run saw it: at its snapshot, or by its cut once that has gone."""
    cut = records.cut(run["snapshot"])
    archive = Archive(settings.archive_dir, snapshot=run["snapshot"], cut=cut)
    until = find_dropped_until(archive)
    if until is not None and run["issue_time"] - RAIN_LOOK_BACK < until:
        raise NotKept(
            f"the {kind} of {run['issue_time']:%Y-%m-%d %H:%MZ} can no longer be made again: the "
            f"rain grids up to {until:%Y-%m-%d} have gone (MEKONG_KEEP_GRID_DAYS), and it reads "
            f"those of {RAIN_LOOK_BACK.days} days; its messages are in the tables as they were sent"
        )
    return archive


def open_stores(settings: Settings, *, asof: datetime) -> Snapshot:
    """Open both stores as they are, without models, to read what was known at a moment."""
    archive, records = Archive(settings.archive_dir), Records(settings.database)
    return Snapshot(archive, records, asof, {}, "", settings.region)


def read_recent_inputs(records: Records, *, asof: datetime) -> list[dict[str, Any]]:
    """Read the granules known at a moment that end ``INPUT_LOOK_BACK`` before it or later.

    Rejected ones are among them.
    """
    return records.inputs(asof=asof, start=asof - INPUT_LOOK_BACK)


def digest_inputs(archive: Archive, inputs: list[dict[str, Any]], *, asof: datetime) -> str:
    """Return the SHA-256 of the inputs of a night: its granules and the archive.

    Parameters
    ----------
    archive
        Hashed by the data known at ``asof``, whatever their commits: all of the zonal daily
        series, and the last ``INPUT_LOOK_BACK`` of all other products, because an older night that
        is made later adds grids before them. The indices of the grid are left out: they are made
        after the forecast, which does not use them.
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
        start = None if product == "zones" else asof - INPUT_LOOK_BACK
        rows, times = archive.rows(product, asof=asof, start=start)
        digest.update(f"{product} {archive.digest(product, rows)}".encode() + times.tobytes())
    return digest.hexdigest()


def append_successors(readings: pd.DataFrame, *, asof: datetime) -> pd.DataFrame:
    """Continue the series of each gauge retired as of a moment with that of its successor."""
    parts = [readings, *_read_successors(readings, asof=asof).values()]
    return pd.concat(parts).sort_values(["station", "valid_time"], ignore_index=True)


def _list_successors(asof: datetime) -> dict[str, str]:
    """Return the successor of each gauge that is retired as of a moment."""
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
        Snapshot of the run.
    start
        First moment; None for the whole record.
    believed
        Newest reading by gauge to use whatever its flag.
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
        Snapshot with the latest data.
    start
        First moment of interest.

    Returns
    -------
    callable
        Takes a moment and the first time to read; returns the inputs as known then, or None where
        they equal those of the snapshot up to that moment, because all data were available by
        their morning, nothing was corrected later and no gauge has had a successor since.
    """
    record = snapshot.zonal_record
    stages, rain = (snapshot.readings(name, start=start) for name in ("stage", "rain"))
    spans = [rain[["valid_time", "available_time"]]]
    if record is not None:
        days = pd.DatetimeIndex(record["time"].values) + pd.Timedelta(days=1)
        available = pd.DatetimeIndex(record["available_time"].values)
        spans.append(pd.DataFrame({"valid_time": days, "available_time": available}))
    spans_read = pd.concat(spans, ignore_index=True)
    morning = spans_read["valid_time"].dt.ceil("D") + pd.Timedelta(minutes=30)
    usable = stages["qc"].isin([*quality_flags.USED, "absolute"])
    late = pd.DataFrame({"begin": spans_read["valid_time"], "end": spans_read["available_time"]})
    late = pd.concat(
        [late[spans_read["available_time"] > morning], mornings.find_late_mornings(stages, usable)]
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
        successors_then = _list_successors(moment)
        later = [
            ((first <= times) & (times <= at)).any()
            for code, times in continued_at.items()
            if successors_then.get(code) != successors[code]
        ]
        if not any(later) and not ((from_time <= at) & (at < to_time) & (from_time >= first)).any():
            return None
        return read_stage_inputs(replace(snapshot, asof=moment), start=since)

    return read
