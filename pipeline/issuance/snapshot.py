"""One run of the night: the evidence it sees, what it forecasts and decides, the tree it issues."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from models import low_flow
from models.drought import model as drought_model
from models.stage import features
from models.stage import model as stage_model
from pipeline.alerts import cap, feeds, levels, publish, track_record
from pipeline.alerts.decision import Decision, recall
from pipeline.alerts.evidence import DRIVERS, Doubt, Drought, Level, LowFlow, Rain, River
from pipeline.alerts.gauge import HORIZON_D, MARK
from pipeline.alerts.hysteresis import DEFAULT, RAISED
from pipeline.alerts.thresholds import rules_for
from pipeline.areal import means as zonal_means
from pipeline.areal import monthly as monthly_means
from pipeline.areal import substitutes
from pipeline.geography import places
from pipeline.geography.variables import INDICES, outside
from pipeline.indices import rain as rain_indices
from pipeline.indices import river, suite
from pipeline.issuance import observed
from pipeline.issuance.missing import INPUTS, absences
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.settings import Region, Settings
from pipeline.sources import geoglows
from pipeline.storage import database
from pipeline.storage.archive import Archive, NothingArchived, utc64
from pipeline.storage.database import Records

HISTORY = timedelta(days=200)
"""Readings before the issue time that a forecast looks at."""
LOW_FLOW_HISTORY = timedelta(days=low_flow.MEMORY_D + 45)
"""Readings before the issue time that a forecast of low flow looks at."""
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
        return substitutes.filled(record, self.archive, asof=self.asof)

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
    counts = parts[0]["qc"].isin([*quality_flags.USED, "absolute"])
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
    readings = view.readings("stage", start=view.asof - HISTORY)
    if readings["value"].notna().sum() == 0:
        return pd.DataFrame(columns=["station", "lead_days", "tier", "valid_time"])
    if "stage" not in view.models:
        return unmodelled(view, readings, known=())
    model = view.models["stage"]
    inputs = stage_inputs(view, start=view.asof - HISTORY)
    # A gauge that has said nothing for so long has no column, but it has a forecast: climatology.
    inputs = inputs.with_gauges(model.stations)
    found = stage_model.predict(model, inputs, issue_time=view.asof, model_version=view.version)
    believed = observed.foreseen(observed.last_readings(view), found)
    if believed:
        inputs = stage_inputs(view, start=view.asof - HISTORY, believed=believed)
        inputs = inputs.with_gauges(model.stations)
        found = stage_model.predict(model, inputs, issue_time=view.asof, model_version=view.version)
    told = zonal_means.told_by(view.archive, asof=view.asof)
    if told is not None:
        basins = [zone.startswith("basin:") for zone in told["zone"].values.tolist()]
        if float(told["gk2a"][basins].median()) > 0.5:
            found["tier"] = found["tier"].replace("full", "gk2a_rain")
    others = unmodelled(view, readings, known=model.stations)
    return pd.concat([found, others], ignore_index=True) if len(others) else found


def unmodelled(view: View, readings: pd.DataFrame, *, known: Collection[str]) -> pd.DataFrame:
    """Give the last readings of the table's gauges that no model forecasts, as rows without one.

    A river that stands above its alarm stage is an alarm whether or not it can be forecast.

    Parameters
    ----------
    view
        What the run sees.
    readings
        Stages of the last days.
    known
        Gauges that a model forecasts.
    """
    rows = quality_flags.used(readings)
    rows = rows[rows["valid_time"] > pd.Timestamp(utc64(view.asof - DEFAULT.forget))]
    last = rows.sort_values("valid_time").drop_duplicates("station", keep="last")
    last = last[last["station"].isin(set(places.stations()) - set(known))]
    leads = pd.DataFrame({"lead_days": np.arange(1, HORIZON_D[Level.WATCH] + 1)})
    found = last[["station", "valid_time", "value"]].merge(leads, how="cross")
    found = found.rename(columns={"valid_time": "stage_time", "value": "stage_m"})
    morning = pd.Timestamp(utc64(view.asof)).normalize()
    blank = [*stage_model.QUANTILES, "mean_m", "p_alarm", "p_flood", "p_alarm_by", "p_flood_by"]
    return found.assign(
        issue_time=pd.Timestamp(utc64(view.asof)),
        valid_time=morning + pd.to_timedelta(found["lead_days"], unit="D"),
        tier="climatology",
        drivers_cm=pd.Series([dict.fromkeys(DRIVERS, math.nan)] * len(found), found.index),
        extrapolated=False,
        model_version=view.version,
        **dict.fromkeys(blank, math.nan),
    )


def drought_forecasts(view: View) -> pd.DataFrame:
    """Forecast drought, one row per zone and horizon.

    Zones are sub-basins and cities (class of rain and soil, where there is an areal record) and
    gauges (``gauge:<code>``, class of the stage). ``stands_in`` names the products that do;
    ``suspect`` says that neither rain nor soil moisture is known from files free of doubt.
    """
    parts = []
    record = view.filled_record()
    if record is not None and "drought" in view.models:
        found = drought_model.predict(view.models["drought"], record, asof=view.asof)
        stands = substitutes.standing(record, asof=view.asof)
        found = found.assign(stands_in=found["zone"].map(stands))
        parts.append(found.assign(suspect=_suspect(view, found)))
    if "low_flow" in view.models:
        start = view.asof - LOW_FLOW_HISTORY
        readings = view.readings("stage", start=start)
        if readings["value"].notna().any():
            inputs = features.stage_inputs(stage=readings, asof=view.asof, start=start)
            model = view.models["low_flow"]
            parts.append(low_flow.predict(model, inputs.stage, issue_time=view.asof))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _suspect(view: View, droughts: pd.DataFrame) -> pd.Series:
    """Whether what is known of rain and soil moisture of each row's zone is suspect, all of it."""
    try:
        doubts = view.archive.read("doubts", asof=view.asof).compute()
    except NothingArchived:
        return pd.Series([False] * len(droughts), droughts.index)
    ends = utc64(view.asof) - np.array([90, suite.SOIL_DAYS]) * np.timedelta64(1, "D")
    rain = doubts["suspect_rain"].sel(time=slice(ends[0], None)).sum("time") / 90
    soil = doubts["suspect_soil_moisture"].sel(time=slice(ends[1], None)).max("time")
    zones, flags = doubts["zone"].values.tolist(), []
    for zone, spi3, percentile in zip(
        droughts["zone"], droughts["spi3"], droughts["soil_moisture_percentile"], strict=True
    ):
        at = zones.index(zone)
        doubtful = float(rain[at]) > 1 - suite.MIN_SHARE, float(soil[at]) > 0
        blind = math.isnan(spi3), math.isnan(percentile)
        flags.append(any(doubtful) and all(a or b for a, b in zip(doubtful, blind, strict=True)))
    return pd.Series(flags, droughts.index)


def possible(ds: xr.Dataset) -> xr.Dataset:
    """Leave out results that no index of the table of variables can have; lazy where it is."""
    return ds.assign(
        {
            name: da.where(~outside(da, str(name)))
            for name, da in ds.data_vars.items()
            if name in INDICES
        }
    )


def impossible(ds: xr.Dataset, what: str) -> list[str]:
    """Say in plain words how many results :func:`possible` leaves out of computed indices."""
    counts = {
        str(name): int(outside(da, str(name)).sum())
        for name, da in ds.data_vars.items()
        if name in INDICES
    }
    return [
        f"{what}: {count} values of {name} out of range and left out"
        for name, count in counts.items()
        if count
    ]


def risk_indices(view: View) -> xr.Dataset | None:
    """Risk indices per zone and day up to the issue time, lazy; None without an areal record."""
    record = view.filled_record()
    if record is None or "drought" not in view.models:
        return None
    recent = record.isel(time=slice(-SPIN_UP_DAYS - RISK_DAYS, None)).chunk(time=-1)
    indices = suite.risk(
        recent,
        parameters=view.models["drought"].parameters(),
        network=river.routing(basins=places.basins()),
    ).assign(substitutes.shares(recent))
    return indices.isel(time=slice(-RISK_DAYS, None))


def monthly_indices(view: View) -> xr.Dataset | None:
    """Make the monthly bulletin; None where there is no areal record or no law."""
    record = view.areal_record()
    if record is None or "monthly" not in view.models:
        return None
    record = record.isel(time=slice(-monthly_means.SPIN_UP_DAYS, None)).compute()
    start = pd.Timestamp(record["time"].values[0]).tz_localize("UTC").to_pydatetime()
    found = monthly_means.known(
        record,
        land=monthly_means.land_months(
            view.archive, asof=view.asof, start=start, region=view.region
        ),
        discharge=quality_flags.used(view.readings("discharge", start=start)),
    )
    return monthly_means.bulletin(found, view.models["monthly"])


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
            levels.decide_flood(
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
            levels.decide_drought(
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
    start = track_record.season_start(view.asof)
    nights = track_record.chain(view.records, follows, since=start)
    seen = quality_flags.used(view.readings("stage", start=start))
    found = track_record.tally(nights, seen, asof=view.asof)
    since = nights[0][0] if nights else view.asof
    return [
        replace(one, track=track_record.track_of(one.city.id, one.in_force, found, since=since))
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
    indices = possible(indices[["rain_return_period"]])
    years = indices["rain_return_period"].sel(zone=cities).reindex(time=[yesterday])
    depth = suite.two_year_depths(parameters=view.models["drought"].parameters()).sel(zone=cities)
    rain = zonal_means.city_rain(view.archive, asof=view.asof, region=view.region)
    index = rain_indices.pluvial_index(rain=rain, depth=depth).isel(time=slice(-48, None))
    worst = index.max("time", skipna=True).sel(zone=cities)
    found = {
        zone: Rain(return_period_years=float(one), pluvial_index=float(other))
        for zone, one, other in zip(cities, years[0].values, worst.values, strict=True)
    }
    told = zonal_means.told_by(view.archive, asof=view.asof)
    doubts = zonal_means.suspect_rain(
        view.archive, asof=view.asof, days=max(suite.EXTREMES.values())
    )
    for zone in cities:
        if told is None:
            break
        share, error = (float(told[name].sel(zone=zone)) for name in ("gk2a", "log_error"))
        tier = "" if math.isnan(share) else "gk2a" if share > 0.5 else "imerg"
        found[zone] = replace(found[zone], tier=tier, log_error=error)
    for zone in cities:
        if doubts is None:
            break
        suspect = bool((doubts.sel(zone=zone) > zonal_means.MOST_SUSPECT).any())
        found[zone] = replace(found[zone], suspect=suspect)
    return {zone.removeprefix("city:"): rain for zone, rain in found.items()}


def daily_changes(view: View) -> dict[str, float]:
    """Change of each gauge's stage over the day before its last reading, m."""
    rows = quality_flags.used(view.readings("stage", start=view.asof - timedelta(days=4)))
    found = {}
    for code, time, value, _ in mornings.by_station(rows):
        before = mornings.sample(time, value, time[-1:] - mornings.DAY).value[0]
        if np.isfinite(before):
            found[code] = float(value[-1] - before)
    return found


@dataclass(frozen=True)
class Issued:
    """What a run has to say: the tree's files, the rows of alerts, why the night is degraded."""

    tree: dict[str, bytes]
    alerts: list[dict[str, Any]]
    degraded: tuple[str, ...] = ()


def issue(
    view: View,
    run: dict[str, Any],
    stages: pd.DataFrame,
    droughts: pd.DataFrame,
    *,
    settings: Settings,
    broken: Sequence[str] = (),
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
    broken
        What is wrong with the models, in plain words.
    """
    store = view.records
    before = []
    if run["follows"] is not None:
        moment, revision = run["follows"]
        before = store.get(database.alerts, datetime.fromisoformat(moment), revision)
    revisions = [
        store.get(database.alerts, view.asof, earlier) for earlier in range(run["revision"])
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
    indices, left_out = risk_indices(view), list[str]()
    if indices is not None:
        indices = indices.compute()  # chunks computed while they are written come in any order
        left_out += impossible(indices, "risk.nc")
        files["risk.nc"] = publish.netcdf(
            possible(indices),
            title="Flood and drought risk indices of the Mekong",
            source="virtual basin, not measured" if run["origin"] == "virtual" else "measured",
            issue_time=view.asof,
        )
    months = monthly_indices(view)
    if months is not None:
        left_out += impossible(months, "monthly.nc")
        files["monthly.nc"] = publish.netcdf(
            possible(months),
            title="Standardised indices of whole months in the Mekong countries",
            source="virtual basin, not measured" if run["origin"] == "virtual" else "measured",
            issue_time=view.asof,
        )
    inputs = store.inputs(asof=view.asof, start=view.asof - INPUTS)
    gaps = absences(view, upstream=settings.upstream)
    files["index.json"] = feeds.index(
        decisions,
        files,
        issue_time=view.asof,
        revision=run["revision"],
        status="Exercise" if run["origin"] == "virtual" else settings.alert_status,
        origin=run["origin"],
        inputs={f"{row['source']}/{row['name']}": row["sha256"] for row in inputs},
        missing=[*gaps.nobody, *broken, *gaps.said, *left_out],
        archive_snapshot=run["snapshot"],
        records_batch=run["batch"],
        model_version=run["model_version"],
    )
    return Issued(files, rows, (*gaps.nobody, *broken, *gaps.degraded))
