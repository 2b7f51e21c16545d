"""One run of the night: the evidence it sees, what it forecasts and decides, the tree it issues."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models import drought, low_flow, stage
from pipeline import (
    areal,
    bulletin,
    features,
    mornings,
    observed,
    places,
    quality,
    records,
    stand_ins,
)
from pipeline.alerts import cap, feeds, publish, rules, track
from pipeline.alerts.costs import rules_for
from pipeline.alerts.decision import recall
from pipeline.alerts.evidence import Drought, LowFlow, Rain, River
from pipeline.alerts.gauge import MARK
from pipeline.alerts.ladder import RAISED
from pipeline.archive import Archive, NothingArchived, utc64
from pipeline.indices import rain as rain_indices
from pipeline.indices import risk, river
from pipeline.sources import SOURCES, geoglows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import xarray as xr

    from pipeline.alerts.decision import Decision
    from pipeline.alerts.evidence import Doubt
    from pipeline.records import Records
    from pipeline.settings import Region, Settings

HISTORY = timedelta(days=200)
"""Readings before the issue time that a forecast looks at."""
LOW_FLOW_HISTORY = timedelta(days=low_flow.MEMORY_D + 45)
"""Readings before the issue time that a forecast of low flow looks at."""
INPUTS = timedelta(days=120)
"""Inputs that end before this are the history's, named by the model, not by the night."""
SPIN_UP_DAYS = 400
"""Days of the areal record before them that the published indices look at."""
RISK_DAYS = 30
"""Days of the risk indices that are published."""
STEP = timedelta(days=1)
SENDER_NAME = "Mekong early warning pipeline"


@dataclass(frozen=True)
class View:
    """What one run sees: both stores as they are or were, at its issue time.

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

    def areal_record(self) -> xr.Dataset | None:
        """Areal record up to the issue time, None where there is none."""
        try:
            return self.archive.read("zones", asof=self.asof)
        except NothingArchived:
            return None

    def filled_record(self) -> xr.Dataset | None:
        """Areal record with its gaps filled by what stands in, to look at and not to fit."""
        record = self.areal_record()
        if record is None:
            return None
        return stand_ins.filled(record, self.archive, asof=self.asof)

    def readings(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings known at the issue time; a retired gauge goes on as its successor."""
        found = self.records.readings(variable, asof=self.asof, start=start)
        return with_heirs(found)

    def every_reading(self, variable: str, *, start: datetime | None = None) -> pd.DataFrame:
        """Gauge readings of every method, and all that disagree; else as :meth:`readings`."""
        found = self.records.every_reading(variable, asof=self.asof, start=start)
        return with_heirs(found)


def with_heirs(found: pd.DataFrame) -> pd.DataFrame:
    """Let the series of a retired gauge go on as its successor's."""
    parts = [found]
    for old in places.stations().values():
        if old.replaced_by is not None:
            last = found.loc[found["station"] == old.code, "valid_time"].max()
            heir = found[found["station"] == old.replaced_by]
            heir = heir[~(heir["valid_time"] <= last)]
            parts.append(heir.assign(station=old.code))
    return pd.concat(parts).sort_values(["station", "valid_time"], ignore_index=True)


def stage_inputs(
    view: View, *, start: datetime | None, believed: Mapping[str, Doubt] | None = None
) -> features.StageInputs:
    """Take the stage model's inputs from the stores; the whole record where no start is given.

    Parameters
    ----------
    view
        What the run sees.
    start
        First moment.
    believed
        By gauge the newest reading, where it is used whatever its flag.
    """
    stages = view.readings("stage", start=start)
    for code, doubt in (believed or {}).items():
        time = pd.Timestamp(utc64(doubt.time))
        stages.loc[(stages["station"] == code) & (stages["valid_time"] == time), "qc"] = "good"
    return features.stage_inputs(
        stage=stages,
        rain=view.readings("rain", start=start),
        areal=view.areal_record(),
        asof=view.asof,
        start=start,
    )


def as_known(
    view: View, *, start: datetime
) -> Callable[[datetime, datetime], features.StageInputs | None]:
    """Give the stage model's inputs as of earlier moments, for a hindcast.

    Parameters
    ----------
    view
        What is known in the end.
    start
        First moment of interest.

    Returns
    -------
    callable
        Of a moment and the first time wanted: the inputs as they were known then, or None where
        that is what the view has up to that moment, because everything had come by its morning and
        nothing was corrected later.
    """
    record = view.areal_record()
    parts = [view.readings(name, start=start) for name in ("stage", "rain")]
    spans = [parts[1][["valid_time", "available_time"]]]
    if record is not None:
        days = pd.DatetimeIndex(record["time"].values) + pd.Timedelta(STEP)
        came = pd.DatetimeIndex(record["available_time"].values)
        spans.append(pd.DataFrame({"valid_time": days, "available_time": came}))
    every = pd.concat(spans, ignore_index=True)
    morning = every["valid_time"].dt.ceil("D") + pd.Timedelta(minutes=30)
    counts = parts[0]["qc"].isin([*quality.USED, "absolute"])
    late = pd.DataFrame({"begin": every["valid_time"], "end": every["available_time"]})
    late = pd.concat([late[every["available_time"] > morning], mornings.late(parts[0], counts)])
    from_time, to_time = (late[name].to_numpy("datetime64[ns]") for name in ("begin", "end"))

    def inputs(moment: datetime, since: datetime) -> features.StageInputs | None:
        at = utc64(moment)
        if not ((from_time <= at) & (at < to_time) & (from_time >= utc64(since))).any():
            return None
        return stage_inputs(replace(view, asof=moment), start=since)

    return inputs


def stage_forecasts(view: View) -> pd.DataFrame:
    """Forecast every gauge, one row per station and lead; none where no gauge has reported."""
    model = view.models["stage"]
    if view.readings("stage", start=view.asof - HISTORY)["value"].notna().sum() == 0:
        return pd.DataFrame(columns=["station", "lead_days", "tier", "valid_time"])
    inputs = stage_inputs(view, start=view.asof - HISTORY)
    # A gauge that has said nothing for so long has no column, but it has a forecast: climatology.
    inputs = inputs.with_gauges(model.stations)
    found = stage.predict(model, inputs, issue_time=view.asof, model_version=view.version)
    believed = observed.foreseen(observed.last_readings(view), found)
    if believed:
        inputs = stage_inputs(view, start=view.asof - HISTORY, believed=believed)
        inputs = inputs.with_gauges(model.stations)
        found = stage.predict(model, inputs, issue_time=view.asof, model_version=view.version)
    return found


def drought_forecasts(view: View) -> pd.DataFrame:
    """Forecast drought, one row per zone and horizon.

    Zones are sub-basins and cities (class of rain and soil, where there is an areal record) and
    gauges (``gauge:<code>``, class of the stage). ``stands_in`` names the products that do.
    """
    parts = []
    record = view.filled_record()
    if record is not None and "drought" in view.models:
        found = drought.predict(view.models["drought"], record, asof=view.asof)
        stands = stand_ins.standing(record, asof=view.asof)
        parts.append(found.assign(stands_in=found["zone"].map(stands)))
    if "low_flow" in view.models:
        start = view.asof - LOW_FLOW_HISTORY
        readings = view.readings("stage", start=start)
        if readings["value"].notna().any():
            inputs = features.stage_inputs(stage=readings, asof=view.asof, start=start)
            model = view.models["low_flow"]
            parts.append(low_flow.predict(model, inputs.stage, issue_time=view.asof))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def risk_indices(view: View) -> xr.Dataset | None:
    """Risk indices per zone and day up to the issue time, lazy; None without an areal record."""
    record = view.filled_record()
    if record is None or "drought" not in view.models:
        return None
    recent = record.isel(time=slice(-SPIN_UP_DAYS - RISK_DAYS, None)).chunk(time=-1)
    indices = risk.risk(
        recent,
        parameters=view.models["drought"].parameters(),
        network=river.routing(basins=places.basins()),
    ).assign(stand_ins.shares(recent))
    return indices.isel(time=slice(-RISK_DAYS, None))


def monthly_indices(view: View) -> xr.Dataset | None:
    """Make the monthly bulletin; None where there is no areal record or no law."""
    record = view.areal_record()
    if record is None or "monthly" not in view.models:
        return None
    record = record.isel(time=slice(-bulletin.SPIN_UP_DAYS, None)).compute()
    start = pd.Timestamp(record["time"].values[0]).tz_localize("UTC").to_pydatetime()
    found = bulletin.known(
        record,
        land=bulletin.land_months(view.archive, asof=view.asof, start=start, region=view.region),
        discharge=quality.used(view.readings("discharge", start=start)),
    )
    return bulletin.bulletin(found, view.models["monthly"])


def second_opinion(view: View) -> list[dict[str, Any]]:
    """Give GEOGLOWS' flows at the cities whose river a user has named, a row per city and day.

    They rest on no gauge and decide nothing: they are there for who has no other forecast.
    """
    midnight = view.asof.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        flows = view.archive.read("geoglows", asof=view.asof, start=midnight).compute()
    except NothingArchived:
        return []
    return [
        {
            "city": zone.removeprefix("city:"),
            "valid_date": str(day.astype("datetime64[D]")),
            "available_time": f"{known.astype('datetime64[m]')}Z",
            **{f"{name}_m3s": round(float(flows[name][at]), 1) for name in geoglows.QUANTILES},
        }
        for column, zone in enumerate(flows["zone"].values.tolist())
        for row, (day, known) in enumerate(
            zip(flows["time"].values, flows["available_time"].values, strict=True)
        )
        for at in [(row, column)]
        if np.isfinite(float(flows["flow_q50"][at]))
    ]


def absences(view: View) -> list[str]:
    """Say in plain words which files and readings a night should have had, and which were bad."""
    said = []
    inputs = view.records.inputs(asof=view.asof, start=view.asof - INPUTS)
    for source in SOURCES.values():
        rows = [row for row in inputs if row["source"] == source.id]
        if source.kind == "grid" and source.core:
            module = importlib.import_module(source.module)
            begin = view.asof - min(source.lookback, INPUTS)
            due = {
                granule.start
                for granule in module.granules(source.id, begin, view.asof, view.asof)
                if granule.end + source.latency <= view.asof
            }
            lacking = due - {row["start"] for row in rows if row["rejected"] is None}
            if lacking:
                said.append(
                    f"{source.id}: {len(lacking)} of {len(due)} files missing, the latest for "
                    f"{max(lacking):%Y-%m-%d %H:%MZ}"
                )
        said += [f"{source.id}: rejected {row['rejected']}" for row in rows if row["rejected"]]
    week = view.asof - timedelta(days=7)
    for variable in ("stage", "rain"):
        every = view.records.every_reading(variable, asof=view.asof, start=week)
        said += quality.suspects(every)
    record = view.filled_record()
    if record is not None:
        stands = stand_ins.standing(record, asof=view.asof)
        said += stand_ins.said(view.archive, stands, asof=view.asof)
    return [*said, *silent_gauges(view)]


def silent_gauges(view: View) -> list[str]:
    """Say which gauges of the last month have not sent this morning's reading."""
    rows = view.readings("stage", start=view.asof - timedelta(days=30))
    known = rows[rows["value"].notna() & rows["qc"].isin([*quality.USED, "absolute"])]
    last = known.groupby("station")["valid_time"].max().reindex(rows["station"].unique())
    morning = pd.Timestamp(utc64(view.asof)).normalize() - pd.Timedelta(mornings.NEAR)
    silent = [code for code in last.index[~(last >= morning)] if code in places.stations()]
    names = [f"{places.station(code).name} ({code})" for code in silent]
    return [f"gauges: this morning's reading is missing from {', '.join(names)}"] if names else []


def decide(
    view: View,
    stages: pd.DataFrame,
    droughts: pd.DataFrame,
    *,
    before: list[dict[str, Any]],
    revisions: list[list[dict[str, Any]]],
) -> list[Decision]:
    """Decide flood and drought for every city, by its own thresholds where it states some.

    Parameters
    ----------
    view
        What the run sees.
    stages, droughts
        Forecasts of the run.
    before
        Rows of the alerts of the issue before this one.
    revisions
        Rows of the alerts of earlier revisions of this issue.
    """
    rain = city_rain(view)
    changes, last = daily_changes(view), observed.last_readings(view)
    memories = {(row["city"], row["hazard"]): row["memory"] for row in before}
    found = []
    for city in places.cities(view.region).values():
        station = places.station(city.station) if city.station else None
        river = None
        if station is not None and not stages.empty:
            rows = stages[stages["station"] == station.code]
            if not rows.empty:
                change = changes.get(station.code, math.nan)
                river = River.from_rows(rows, change_1d_m=change)
                if station.code in last:
                    river = observed.with_last(river, last[station.code])
        zone = low = None
        if not droughts.empty:
            rows = droughts[droughts["zone"] == f"city:{city.id}"]
            zone = Drought.from_rows(rows) if not rows.empty else None
            rows = droughts[droughts["zone"] == f"gauge:{city.station}"]
            low = LowFlow.from_rows(rows) if not rows.empty else None
        earlier = {
            hazard: [
                row["memory"]
                for one in revisions
                for row in one
                if (row["city"], row["hazard"]) == (city.id, hazard)
            ]
            for hazard in ("flood", "drought")
        }
        found.append(
            rules.decide_flood(
                city,
                issue_time=view.asof,
                station=station,
                river=river,
                rain=rain.get(city.id, Rain(return_period_years=math.nan, pluvial_index=math.nan)),
                memory=recall(memories.get((city.id, "flood")), revisions=earlier["flood"]),
                rules=rules_for(city.id),
            )
        )
        found.append(
            rules.decide_drought(
                city,
                issue_time=view.asof,
                drought=zone,
                memory=recall(memories.get((city.id, "drought")), revisions=earlier["drought"]),
            )
        )
        found[-1] = replace(found[-1], low_flow=low)
    return found


def with_tracks(
    view: View, decisions: list[Decision], *, follows: list[Any] | None
) -> list[Decision]:
    """Add what became of earlier warnings to those that forecast a mark not yet reached."""
    if not any(_forecasts_a_mark(one) for one in decisions):
        return decisions
    start = track.season_start(view.asof)
    nights = track.chain(view.records, follows, since=start)
    seen = quality.used(view.readings("stage", start=start))
    found = track.tally(nights, seen, asof=view.asof)
    since = nights[0][0] if nights else view.asof
    return [
        replace(one, track=track.track_of(one.city.id, one.in_force, found, since=since))
        if _forecasts_a_mark(one)
        else one
        for one in decisions
    ]


def _forecasts_a_mark(decision: Decision) -> bool:
    """Whether a decision warns of a stage that the river has not reached."""
    station, river = decision.station, decision.river
    if decision.in_force not in RAISED or decision.memory.on_rain or not (station and river):
        return False
    mark = station.alarm_m if MARK[decision.in_force] == "alarm" else station.flood_m
    return mark is not None and not river.stage_m >= mark


def city_rain(view: View) -> dict[str, Rain]:
    """Return period of yesterday's rain over each city, and the last day's pluvial index."""
    indices = risk_indices(view)
    if indices is None:
        return {}
    cities = [zone for zone in indices["zone"].values.tolist() if zone.startswith("city:")]
    yesterday = utc64(view.asof).astype("datetime64[D]") - np.timedelta64(1, "D")
    years = indices["rain_return_period"].sel(zone=cities).reindex(time=[yesterday])
    depth = risk.two_year_depths(parameters=view.models["drought"].parameters()).sel(zone=cities)
    rain = areal.city_rain(view.archive, asof=view.asof, region=view.region)
    index = rain_indices.pluvial_index(rain=rain, depth=depth).isel(time=slice(-48, None))
    worst = index.max("time", skipna=True).sel(zone=cities)
    return {
        zone.removeprefix("city:"): Rain(return_period_years=float(one), pluvial_index=float(other))
        for zone, one, other in zip(cities, years[0].values, worst.values, strict=True)
    }


def daily_changes(view: View) -> dict[str, float]:
    """Change of each gauge's stage over the day before its last reading, m."""
    rows = quality.used(view.readings("stage", start=view.asof - timedelta(days=4)))
    found = {}
    for code, time, value, _ in mornings.by_station(rows):
        before = mornings.sample(time, value, time[-1:] - mornings.DAY).value[0]
        if np.isfinite(before):
            found[code] = float(value[-1] - before)
    return found


@dataclass(frozen=True)
class Issued:
    """What a run has to say: the files of its tree and the rows for the table of alerts."""

    tree: dict[str, bytes]
    alerts: list[dict[str, Any]]


def issue(
    view: View,
    run: dict[str, Any],
    stages: pd.DataFrame,
    droughts: pd.DataFrame,
    *,
    settings: Settings,
) -> Issued:
    """Decide, word and index everything that a run publishes; nothing is written.

    Parameters
    ----------
    view
        What the run sees.
    run
        Its row in the table of runs.
    stages, droughts
        Its forecasts.
    settings
        Status, scope and sender.
    """
    store = view.records
    before = []
    if run["follows"] is not None:
        moment, revision = run["follows"]
        before = store.get(records.alerts, datetime.fromisoformat(moment), revision)
    revisions = [
        store.get(records.alerts, view.asof, earlier) for earlier in range(run["revision"])
    ]
    decisions = decide(view, stages, droughts, before=before, revisions=revisions)
    decisions = with_tracks(view, decisions, follows=run["follows"])
    issuer = cap.Issuer(
        sender=settings.alert_sender,
        sender_name=SENDER_NAME,
        status=settings.alert_status,
        scope=settings.alert_scope,
        origin=run["origin"],
        model_version=run["model_version"],
        archive_snapshot=run["snapshot"],
        records_batch=run["batch"],
    )
    files: dict[str, bytes] = {}
    in_force: dict[tuple[str, str], str] = {}
    rows = []
    for one in decisions:
        message, memory = cap.issue(
            one, issuer=issuer, revision=run["revision"], next_issue=view.asof + STEP
        )
        if message is not None:
            files[f"cap/{message.identifier}.xml"] = message.content
        if memory.sent and not memory.sent[-1].over:
            in_force[one.city.id, one.hazard] = memory.sent[-1].identifier
        rows.append(
            {
                "city": one.city.id,
                "hazard": one.hazard,
                "level": one.level.value,
                "identifier": message.identifier if message else None,
                "memory": memory.to_dict(),
            }
        )
    facts = feeds.rows(decisions, in_force, origin=run["origin"], wanted=settings.alert_status)
    files["alerts.geojson"] = feeds.geojson(facts)
    files["alerts.csv"] = feeds.table(facts)
    other = second_opinion(view)
    if other:
        files["second_opinion.csv"] = feeds.table(other)
    indices = risk_indices(view)
    if indices is not None:
        files["risk.nc"] = publish.netcdf(
            indices.compute(),  # chunks that are computed while they are written come in any order
            title="Flood and drought risk indices of the Mekong",
            source="virtual basin, not measured" if run["origin"] == "virtual" else "measured",
            issue_time=view.asof,
        )
    months = monthly_indices(view)
    if months is not None:
        files["monthly.nc"] = publish.netcdf(
            months,
            title="Standardised indices of whole months in the Mekong countries",
            source="virtual basin, not measured" if run["origin"] == "virtual" else "measured",
            issue_time=view.asof,
        )
    inputs = store.inputs(asof=view.asof, start=view.asof - INPUTS)
    files["index.json"] = feeds.index(
        decisions,
        files,
        issue_time=view.asof,
        revision=run["revision"],
        status="Exercise" if run["origin"] == "virtual" else settings.alert_status,
        origin=run["origin"],
        inputs={f"{row['source']}/{row['name']}": row["sha256"] for row in inputs},
        missing=absences(view),
        archive_snapshot=run["snapshot"],
        records_batch=run["batch"],
        model_version=run["model_version"],
    )
    return Issued(files, rows)
