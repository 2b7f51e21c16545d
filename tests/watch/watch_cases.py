"""Nights without models and watches between them, over stores that hold readings alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from lxml import etree

from pipeline import hourly, steps
from pipeline.alerts.cap import NAMESPACE
from pipeline.exchange.publication import read_tree
from pipeline.results import WatchResult
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.exchange.schema_cases import find_faults, find_faults_of_tree
from tests.scenarios import nights

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
TOMORROW = NIGHT + timedelta(days=1)
FIRST = "mekong-watch-20260820T0215Z-vientiane-flood-r0"
SECOND = "mekong-watch-20260820T0415Z-vientiane-flood-r0"
GUMBEL = {"location": 50.0, "scale": 10.0, "shape": 0.0, "n_years": 40.0}
"""Of a day's rain, mm."""
VIENTIANE = "011901"
"""Alarm stage 11.5 m, flood stage 12.5 m."""


def params(ids: Sequence[str]) -> xr.Dataset:
    """Return levels of zones, all the same."""
    fields = {name: ("zone", np.full(len(ids), value)) for name, value in GUMBEL.items()}
    return xr.Dataset(fields, {"zone": list(ids)})


def at(hour: int, minute: int = 15, day: int = 20) -> datetime:
    """A moment in August 2026."""
    return datetime(2026, 8, day, hour, minute, tzinfo=UTC)


@dataclass(frozen=True)
class Basin:
    """Stores of one made-up river, and what is published of them."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder, upstream="archive", records_url=None)

    @property
    def records(self) -> Records:
        return Records(self.settings.database)

    def fork(self, folder: Path) -> Basin:
        """Copy everything."""
        nights.fork(self.settings, folder)
        return Basin(folder)

    def read(
        self, stages: Sequence[tuple[datetime, float]], *, code: str = VIENTIANE, asof: datetime
    ) -> None:
        """Ingest readings of a gauge, known ten minutes after their time."""
        times = [pd.Timestamp(moment).tz_convert(None) for moment, _ in stages]
        table = pd.DataFrame(
            {
                "station": code, "variable": "stage", "method": "telemetry", "valid_time": times,
                "value": [stage for _, stage in stages], "unit": "m", "raw": "", "qc": "good",
            }
        )  # fmt: skip
        with self.records.ingest("gauges", asof=asof) as batch:
            batch.add_granule(
                f"{code} {asof:%Y%m%dT%H%M}", start=stages[0][0], end=stages[-1][0],
                sha256=f"{asof:%Y%m%d%H%M}".rjust(64, "0"), available_time=asof, origin="virtual",
            )  # fmt: skip
            batch.add_readings(table, asof=asof, latency=timedelta(minutes=10), origin="virtual")

    def calm(self, stage_m: float = 10.0, *, until: datetime = NIGHT, days: int = 10) -> None:
        """Ingest a reading every six hours of a river that stands still but for a centimetre."""
        end = until.replace(hour=until.hour // 6 * 6, minute=0)
        times = [end - timedelta(hours=6 * number) for number in range(4 * days)][::-1]
        stages = [(moment, stage_m + 0.01 * (n % 3)) for n, moment in enumerate(times)]
        self.read(stages, asof=until)

    def night(self, asof: datetime = NIGHT, *, made: datetime | None = None) -> None:
        """Forecast without models, and publish."""
        steps.forecast(asof=asof, settings=self.settings, made=made or asof)
        steps.publish(asof=asof, settings=self.settings)

    def watch(self, asof: datetime) -> WatchResult:
        return hourly.watch(asof=asof, settings=self.settings)

    def tree(self) -> dict[str, bytes]:
        """The newest tree; every file of it is valid."""
        tree = read_tree(self.settings.published_dir / "latest")
        assert find_faults_of_tree(tree) == {}
        return tree

    def facts(self, city: str = "vientiane") -> dict[str, Any]:
        """Facts of a city's flood, the same in GeoJSON and the counts of the index."""
        tree = self.tree()
        features = json.loads(tree["alerts.geojson"])["features"]
        levels = [each["properties"]["level"] for each in features if each["id"].endswith("-flood")]
        counts = json.loads(tree["index.json"])["levels"]["flood"]
        assert counts == {level: levels.count(level) for level in counts}
        (row,) = (each["properties"] for each in features if each["id"] == f"{city}-flood")
        return dict(row)

    def chain(self, city: str = "vientiane") -> list[dict[str, str | None]]:
        """Messages of a city's flood in the newest tree, in the order of their sending."""
        found = []
        for path, content in self.tree().items():
            if path.startswith("cap/") and path.count("/") == 1 and f"-{city}-flood" in path:
                message = etree.fromstring(content)
                names = ("identifier", "sent", "status", "msgType", "references", "incidents")
                found.append({name: message.findtext(f"{{{NAMESPACE}}}{name}") for name in names})
        return sorted(found, key=lambda row: (str(row["sent"]), len(row["references"] or "")))

    def seen(self) -> dict[str, Any]:
        """What ``watch.json`` says; it is valid and small."""
        content = (self.settings.published_dir / "watch.json").read_bytes()
        assert len(content) <= 4096
        document: dict[str, Any] = json.loads(content)
        assert find_faults(document, "watch") == []
        return document


def make_calm_night(folder: Path) -> Basin:
    """Make a night on a calm river, 1.5 m below alarm stage."""
    basin = Basin(folder)
    basin.calm()
    basin.night()
    return basin


def refers(chain: Sequence[dict[str, str | None]]) -> list[list[str]]:
    """Identifiers that each message of a chain refers to."""
    return [
        [reference.split(",")[1] for reference in (row["references"] or "").split()]
        for row in chain
    ]
