"""A small published tree for the tests of pages, made by the code that makes every night's."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd
import pytest
from lxml import etree

from models.stage.names import HIGHEST, QUANTILES
from pipeline.alerts import facts
from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import decide_drought
from pipeline.alerts.evidence import Rain, River
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.message_chain import describe_event
from pipeline.alerts.notice import Notice
from pipeline.exchange import alert_files, index
from pipeline.exchange.forecast_files import write_forecasts, write_stages
from pipeline.exchange.issue import Issue
from pipeline.exchange.messages import make_row
from pipeline.exchange.publication import publish_tree, replace_reports
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.ground_reports.summary import CitySummary, morning, write_reports
from pipeline.issuance.bundle import write_short_texts
from pipeline.issuance.decide import relate_decisions
from pipeline.pages.edition import Edition, read_edition
from pipeline.pages.pdf import find_browser, print_pdf
from pipeline.remarks import Remark
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.alerts.alert_cases import DRY, NAN, RULES, UNKNOWN_RAIN, dry_spell
from tests.alerts.cap_cases import ISSUER, send

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
SETTINGS = Settings(upstream="archive", records_url=None)
FLOOD, BANK, DROUGHT, UNKNOWN, NO_GAUGE, BOTH = (
    "vientiane", "nong_khai", "khon_kaen", "pakse", "siem_reap", "kratie",
)  # fmt: skip
"""Emergency at a gauge; the other bank of it; drought without a gauge; a gauge of which nothing is
known; heavy rain without a gauge; flood and drought at once."""
CITIES = (FLOOD, BANK, DROUGHT, UNKNOWN, NO_GAUGE, BOTH)
RISE_M = {FLOOD: (12.2, 0.3), BANK: (10.4, 0.2), BOTH: (21.0, 0.25)}
"""Stage of the issue time and its rise a day, m. Alarm and flood stage are 11.5 and 12.5 m at
Vientiane, 11.4 and 12.2 m at Nong Khai, 22 and 23 m at Kratie."""
SPREAD_M = 0.15
"""Standard deviation of the forecast, m for each day ahead."""
SKILFUL = 5
"""Days up to which the forecasts are better than the stage of the issue time."""
LEADS = range(1, 8)
needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
MISSING = "gauges: this morning's reading is missing from Pakse (013901)"


def publish_pages_tree(folder: Path) -> Path:
    """Publish the tree of the six cities, with what people reported.

    Parameters
    ----------
    folder
        Empty folder; tables of the run are kept in it beside the published trees.

    Returns
    -------
    Path
        Folder of all published trees, for ``read_edition``.
    """
    published = folder / "published"
    publish_tree(make_pages_tree(folder), folder=published, issue_time=ISSUED)
    summary = CitySummary(
        flooded=3, dry=1, senders=4, in_doubt=0, deepest_cm=40,
        last_time=ISSUED - timedelta(hours=1),
        since=morning(places.city(FLOOD, asof=ISSUED), ISSUED).astimezone(UTC),
    )  # fmt: skip
    content = write_reports({FLOOD: summary}, asof=ISSUED, status="Exercise")
    replace_reports(published, content)
    return published


def change_tree(edition: Edition, folder: Path, **files: bytes | None) -> Edition:
    """Copy a tree with other files, by name with ``__`` for ``/`` and ``_`` for the last point.

    None takes a file out. The digests in the index stay those of before.
    """
    published = folder / "published"
    shutil.copytree(edition.folder.parents[1], published, symlinks=True)
    copy = read_edition(published)
    for name, content in files.items():
        path = copy.folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    return read_edition(published)


def change_city(edition: Edition, city_id: str, **parts: Any) -> Edition:
    """Copy an edition in which a city differs: members of a part, or another part of its file."""
    copy = Edition(edition.folder, edition.version, edition.reports)
    city = dict(edition.cities[city_id])
    for name, part in parts.items():
        city[name] = city[name] | part if isinstance(part, dict) and city[name] else part
    copy.__dict__["cities"] = {**edition.cities, city_id: city}
    return copy


def count_pages(html: bytes, folder: Path) -> int:
    """Count the pages on which Chromium prints a page."""
    page = folder / "page.html"
    page.write_bytes(html)
    pdf = print_pdf(page, folder / "page.pdf")
    assert pdf is not None
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def read_text(node: etree._Element) -> str:
    """Text of an element without what its signs and figures have."""
    pieces = node.xpath(".//text()[not(ancestor::*[local-name()='svg'])]")
    return " ".join("".join(pieces).split())


def make_pages_tree(folder: Path) -> dict[str, bytes]:
    """Make the tree of the six cities: flood and drought decided, worded, and indexed."""
    decisions = relate_decisions([each for city in CITIES for each in decide(city)])
    messages = {}
    for decision in decisions:
        message, _ = send(decision)
        if message is not None:
            messages[decision.city.id, decision.hazard] = message
    events: dict[tuple[str, str], Notice] = {
        (decision.city.id, decision.hazard): event
        for decision in decisions
        if (event := describe_event(decision, issuer=ISSUER, sent=ISSUED))
    }
    rows = facts.collect_rows(
        decisions,
        {key: message.identifier for key, message in messages.items()},
        events,
        products={},
        origin="virtual",
        wanted="Actual",
    )
    issue = Issue(issue_time=ISSUED, status="Exercise", origin="virtual")
    files = {
        "alerts.geojson": alert_files.write_geojson(
            rows,
            issue_time=ISSUED,
            status=issue.status,
            areas={decision.city.id: decision.city.area for decision in decisions},
        ),
        "alerts.csv": alert_files.write_csv(rows),
        "forecasts.csv": write_forecasts(forecast(), issue),
        "stages.csv": write_stages(observe(), issue),
        "index.json": index.write_index(
            decisions, issue_time=ISSUED, revision=0, status=issue.status, origin=issue.origin,
            inputs={}, missing=[Remark(code="gauge_late", text=MISSING, station="013901")],
            archive_snapshot="ABC", records_batch=7, model_version="m1",
        ),
    }  # fmt: skip
    files |= write_short_texts([*events.values()], SETTINGS.alert_changes_sent)
    records = Records(f"sqlite:///{folder / 'records.db'}")
    run = {"issue_time": ISSUED, "revision": 0, "sent": ISSUED, "settings": {}}
    sent = [make_row(message, proof=b"{}") for message in messages.values()]
    records.put_alerts(run, [], sent)
    return make_tree(files, records, run, settings=SETTINGS)


def decide(city_id: str) -> list[Decision]:
    """Decide flood and drought of a city."""
    city = places.city(city_id, asof=ISSUED)
    station = places.station(city.station, asof=ISSUED) if city.station else None
    rain = {
        UNKNOWN: UNKNOWN_RAIN,
        NO_GAUGE: Rain(return_period_years=30.0, pluvial_index=1.5),
    }.get(city_id, DRY)
    river = None
    if station is not None:
        rows = forecast().query("station == @station.code")
        river = River.from_rows(rows, change_1d_m=RISE_M[city_id][1] if city_id in RISE_M else NAN)
    spell = {
        DROUGHT: dry_spell(0.9, 0.8, 0.3, now=2, spi3=-1.6, soil=6.0),
        BOTH: dry_spell(0.7, 0.2, 0.1, now=1, spi3=-1.0, soil=18.0),
        UNKNOWN: None,
    }.get(city_id, dry_spell())
    return [
        decide_flood(
            city, issue_time=ISSUED, station=station, river=river, rain=rain, state=None,
            rules=RULES,
        ),
        decide_drought(city, issue_time=ISSUED, drought=spell, state=None, rules=RULES),
    ]  # fmt: skip


def gauge_of(city_id: str) -> places.Station:
    """Gauge of a city at the issue time."""
    return places.station(str(places.city(city_id, asof=ISSUED).station), asof=ISSUED)


def forecast() -> pd.DataFrame:
    """Forecasts of four gauges, normal around a median that rises; of Pakse nothing is known.

    All days of a draw lie at the same quantile: that of the highest stage is the highest of the
    days', and so is the chance that a mark is reached up to a day.
    """
    return pd.DataFrame(
        [_forecast_day(city, lead) for city in (*RISE_M, UNKNOWN) for lead in LEADS]
    )


def _forecast_day(city: str, lead: int) -> dict[str, Any]:
    gauge, known = gauge_of(city), city in RISE_M
    stage, rise = RISE_M.get(city, (NAN, NAN))
    days = [NormalDist(stage + rise * day, SPREAD_M * day) for day in LEADS if day <= lead]
    midnight = pd.Timestamp("2026-08-20")

    def chance(day: NormalDist, mark: float | None) -> float:
        return 1.0 - day.cdf(mark) if known and mark is not None else NAN

    def highest(p: float) -> float:
        return max(day.inv_cdf(p) for day in days) if known else NAN

    return {
        "issue_time": pd.Timestamp("2026-08-20 00:30"),
        "station": gauge.code,
        "lead_days": lead,
        "valid_time": midnight + pd.Timedelta(days=lead),
        **{name: days[-1].inv_cdf(p) if known else NAN for name, p in QUANTILES.items()},
        "mean_m": days[-1].mean,
        "p_alarm": chance(days[-1], gauge.alarm_m),
        "p_flood": chance(days[-1], gauge.flood_m),
        "p_alarm_by": max(chance(day, gauge.alarm_m) for day in days),
        "p_flood_by": max(chance(day, gauge.flood_m) for day in days),
        "highest_m": {name: highest(p) for name, p in HIGHEST.items()},
        "tier": "full" if known else "climatology",
        "issued_as": ("model" if lead <= SKILFUL else "persistence") if known else "climatology",
        "skilful_until_day": SKILFUL if known else 0,
        "drivers_cm": {"upstream": 70.0 * rise * lead, "rain": 30.0 * rise * lead},
        "drivers_method": "exact",
        "extrapolated": False,
        "stage_m": stage,
        "stage_time": midnight if known else pd.NaT,
        "model_version": "m1",
    }  # fmt: skip


def observe() -> pd.DataFrame:
    """Readings of 40 mornings, which rise to the stage of the issue time; none at Pakse."""
    days = pd.date_range("2026-07-12", "2026-08-20")
    return pd.concat(
        pd.DataFrame(
            {
                "station": gauge_of(city).code,
                "valid_time": days,
                "value": [round(stage - rise * (len(days) - 1 - k), 3) for k in range(len(days))],
                "qc": "good",
                "method": "manual",
            }
        )
        for city, (stage, rise) in RISE_M.items()
    )
