"""Season of the virtual basin, night by night, from stores to messages.

Readings are stored as each night would find them, and the areal record with the moments at which
its days become known; forecasts, decisions and messages are those of the pipeline. Left out are the
files of satellites: the rain of a day is that of the areal record (error of IMERG Early), its rain
within the day and the track record of earlier warnings are not known, and low flow is not forecast.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise, zip_longest
from typing import Any, Literal

import pandas as pd
from lxml import etree

from models import registry
from models.drought import model as drought_model
from pipeline.alerts.cap import NAMESPACE
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Rain
from pipeline.alerts.levels import Level
from pipeline.issuance import products
from pipeline.issuance.decide import decide_cities, relate_decisions
from pipeline.issuance.forecasts import forecast_stages
from pipeline.issuance.snapshot import Snapshot
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.database import readings
from pipeline.storage.records import Records
from pipeline.times import utc64
from pipeline.virtual.basin import VirtualBasin
from pipeline.virtual.night import AREAL_DELAY
from tests.alerts.cap_cases import CAP, send

FIRST, LAST = datetime(2026, 6, 1, 0, 30, tzinfo=UTC), datetime(2026, 11, 30, 0, 30, tzinfo=UTC)
"""First and last night of the season."""
NIGHT = timedelta(days=1)
DROUGHT_LOOK_BACK = timedelta(days=120)
"""Days of the areal record before the first night that a drought forecast reads, and some."""
UNITS: dict[Literal["stage", "rain"], str] = {"stage": "m", "rain": "mm"}


@dataclass(frozen=True, kw_only=True)
class Told:
    """One message, read back from its bytes.

    Parameters
    ----------
    identifier, sender, sent, expires, kind, references, incidents
        Of the message; the kind is its ``msgType``.
    response
        ``responseType`` of its first ``info``.
    facts, other_facts
        Parameters of its first ``info``, and of each other one.
    content
        Its bytes.
    """

    identifier: str
    sender: str
    sent: datetime
    expires: datetime
    kind: str
    references: tuple[str, ...]
    incidents: str
    response: str
    facts: Mapping[str, str]
    other_facts: tuple[Mapping[str, str], ...]
    content: bytes

    @property
    def level(self) -> Level:
        """Level in force."""
        return Level(self.facts["level_in_force"])

    @property
    def change(self) -> str:
        """How it differs from the message before it in its event."""
        return self.facts.get("change", "")

    @property
    def ends(self) -> bool:
        """Whether the message ends its event."""
        return self.change == "ended"


@dataclass(frozen=True, kw_only=True)
class CityNight:
    """One city and hazard on one night.

    Parameters
    ----------
    decision
        Decision of the night, with its evidence.
    state
        State that the night stored.
    told
        Message of the night; None where none was due.
    """

    decision: Decision
    state: Mapping[str, Any]
    told: Told | None

    @property
    def level(self) -> Level:
        """Last assessed level."""
        return Level(self.state["level"])

    @property
    def is_open(self) -> bool:
        """Whether an event is open after the night."""
        sent = self.state["sent"]
        return bool(sent) and not sent[-1]["over"]


def read_message(content: bytes) -> Told:
    """Read a message back from its bytes."""
    alert = etree.fromstring(content)
    infos = alert.findall("cap:info", CAP)
    facts = [
        {
            str(pair.findtext("cap:valueName", namespaces=CAP)): str(
                pair.findtext("cap:value", namespaces=CAP)
            )
            for pair in info.findall("cap:parameter", CAP)
        }
        for info in infos
    ]

    def text(node: etree._Element, name: str) -> str:
        return node.findtext(f"{{{NAMESPACE}}}{name}") or ""

    return Told(
        identifier=text(alert, "identifier"),
        sender=text(alert, "sender"),
        sent=datetime.fromisoformat(text(alert, "sent")),
        expires=datetime.fromisoformat(text(infos[0], "expires")),
        kind=text(alert, "msgType"),
        references=tuple(text(alert, "references").split()),
        incidents=text(alert, "incidents"),
        response=text(infos[0], "responseType"),
        facts=facts[0],
        other_facts=tuple(facts[1:]),
        content=content,
    )


def list_nights(first: datetime = FIRST, last: datetime = LAST) -> list[datetime]:
    """List the issue times of a season."""
    return [first + day * NIGHT for day in range((last - first).days + 1)]


def store_season(settings: Settings, nights: Sequence[datetime]) -> None:
    """Store the readings of a season as each night would find them, and the areal record.

    Parameters
    ----------
    settings
        Stores with the history before the season's year.
    nights
        Issue times, in order.
    """
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    record = basin.areal_record(nights[0].year)
    known = record["time"].to_numpy() + AREAL_DELAY
    record = record.assign_coords(available_time=("time", known))
    record = record.isel(time=known <= utc64(nights[-1]))
    Archive(settings.archive_dir).append("zones", record, message="areal record of the season")
    begin = datetime(nights[0].year, 1, 1, tzinfo=UTC)
    frames = [
        basin.gauge_readings(begin, nights[-1], variable).assign(variable=variable, unit=unit)
        for variable, unit in UNITS.items()
    ]
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows["value"].notna()]
    rows = rows.assign(
        method="manual",
        version=rows.groupby(["variable", "station", "valid_time"]).cumcount(),
        raw="",
        qc="good",
        source="gauges",
        origin="virtual",
        valid_time=rows["valid_time"].to_numpy("M8[s]").astype("int64"),
        available_time=rows["arrival_time"].to_numpy("M8[s]").astype("int64"),
    ).drop(columns="arrival_time")
    names = [str(name) for name in rows.columns]
    with Records(settings.database).ingest("gauges", asof=nights[-1]) as batch:
        # add_readings dates what one ingest brings by its usual delay: what came late would be
        # known too early.
        batch._connection.execute(
            readings.insert().values(batch=batch._number),
            [
                dict(zip(names, row, strict=True))
                for row in rows.astype(object).itertuples(index=False)
            ],
        )


def assess_rain(
    archive: Archive, records: Records, models: dict[str, Any], nights: Sequence[datetime]
) -> dict[datetime, dict[str, Rain]]:
    """Assess the rain of the day before each night over each city.

    The indices of a day rest on no later one, so that those of a month are made at its end.
    """
    rain = dict[datetime, dict[str, Rain]]()
    for begin in range(0, len(nights), products.RISK_DAYS):
        month = nights[begin : begin + products.RISK_DAYS]
        risk = products.compute_risk_indices(Snapshot(archive, records, month[-1], models, ""))
        assert risk is not None
        years = products.mask_impossible(risk[["rain_return_period"]])["rain_return_period"]
        zones = [zone for zone in years["zone"].values.tolist() if zone.startswith("city:")]
        for night in month:
            yesterday = pd.Timestamp(utc64(night - NIGHT)).normalize()
            of_day = years.sel(zone=zones).reindex(time=[yesterday])[0]
            rain[night] = {
                zone.removeprefix("city:"): Rain(
                    return_period_years=float(period), pluvial_index=math.nan, tier="imerg"
                )
                for zone, period in zip(zones, of_day.values, strict=True)
            }
    return rain


def run_season(
    settings: Settings, *, first: datetime = FIRST, last: datetime = LAST
) -> list[CityNight]:
    """Run every night of a season on copies of trained stores, which it alters.

    Parameters
    ----------
    settings
        Stores with history and models, and no night of the season's year.
    first, last
        First and last issue time.

    Returns
    -------
    list of CityNight
        One per night, city and hazard, in order of the nights.
    """
    nights = list_nights(first, last)
    store_season(settings, nights)
    archive, records = Archive(settings.archive_dir), Records(settings.database)
    models, metadata = registry.load_last(settings.models_dir, asof=first)
    rain = assess_rain(archive, records, models, nights)
    # In memory; a forecast takes the days that were known at its time.
    record = archive.read("zones", asof=last, start=first - DROUGHT_LOOK_BACK).compute()
    season = list[CityNight]()
    rows = list[dict[str, Any]]()
    for night in nights:
        snapshot = Snapshot(archive, records, night, models, metadata["version"])
        droughts = drought_model.predict(models["drought"], record, asof=night)
        decisions = decide_cities(
            snapshot,
            forecast_stages(snapshot),
            droughts,
            rain=rain[night],
            before=rows,
            revisions=[],
            cancelled=(),
        )
        rows = []
        for decision in relate_decisions(decisions):
            message, state = send(decision)
            # As the table of alerts stores it.
            stored = json.loads(json.dumps(state.to_dict()))
            rows.append({"city": decision.city.id, "hazard": decision.hazard, "memory": stored})
            told = read_message(message.content) if message else None
            season.append(CityNight(decision=decision, state=stored, told=told))
    return season


def by_city(season: Iterable[CityNight]) -> dict[tuple[str, str], list[CityNight]]:
    """Nights of each city and hazard, in order."""
    nights = dict[tuple[str, str], list[CityNight]]()
    for each in season:
        nights.setdefault((each.decision.city.id, each.decision.hazard), []).append(each)
    return nights


def list_events(nights: Iterable[CityNight]) -> list[list[Told]]:
    """Messages of each event of a city and hazard; each begins with its Alert."""
    events = list[list[Told]]()
    for each in nights:
        if each.told is not None:
            if each.told.kind == "Alert":
                events.append([])
            events[-1].append(each.told)
    return events


def list_gaps(
    events: Sequence[Sequence[Told]], *, until: datetime
) -> list[tuple[datetime, datetime]]:
    """List the times at which an event was open and its last message had expired.

    Parameters
    ----------
    events
        From :func:`list_events`. An event is open from its Alert to the message that ends it, or
        else to the Alert of the next one.
    until
        Moment up to which an event without an end is followed.
    """
    messages = [message for event in events for message in event]
    gaps = [
        (message.expires, following.sent if following else until)
        for message, following in zip_longest(messages, messages[1:])
        if not message.ends
    ]
    return [(begin, end) for begin, end in gaps if begin < end]


def count_uncovered(events: Sequence[Sequence[Told]], *, until: datetime) -> int:
    """Count the minutes of :func:`list_gaps`."""
    gaps = list_gaps(events, until=until)
    return round(sum((end - begin).total_seconds() for begin, end in gaps) / 60)


def list_endings(nights: Sequence[CityNight]) -> list[CityNight]:
    """Nights whose message ended an event."""
    return [each for each in nights if each.told is not None and each.told.ends]


def list_returns(nights: Iterable[CityNight]) -> list[Told]:
    """Ends of a city and hazard after which a new event begins within 5 days."""
    return [
        ended
        for before, after in pairwise(list_events(nights))
        for ended in before[-1:]
        if ended.ends and after[0].sent - ended.sent <= timedelta(days=5)
    ]
