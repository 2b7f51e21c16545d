"""The first night against the providers in an empty folder: it is published, whoever answers."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from pipeline import steps
from pipeline.geography.places import stations
from pipeline.results import Published
from pipeline.settings import Settings
from pipeline.sources import ENDPOINTS, NIGHTLY, select_sources
from pipeline.sources.access.client import Client
from tests.exchange.key_cases import pem
from tests.sources import gauge_servers
from tests.sources.servers import closed_address

pytestmark = pytest.mark.slow

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


@pytest.fixture
def closed() -> str:
    """Address at which nobody listens."""
    return closed_address()


@pytest.fixture
def settings(tmp_path: Path, closed: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Every provider is asked, without credentials and without patience."""
    # At an address with a login nobody is asked without a password, so that the library behind the
    # public store would try for a minute to open what does not listen.
    logins = dict.fromkeys(("earthdata", "pps"), closed_address())
    found = Settings(
        data_dir=tmp_path / "data", upstream="internet", records_url=None,
        endpoints=dict.fromkeys(ENDPOINTS, closed) | logins,
        signing_keys_pem=SecretStr(pem("A")),
    )  # fmt: skip

    def client(of: Settings) -> Client:
        return Client(endpoints=of.endpoints, environment={}, sleep=lambda _: None, attempts=1)

    monkeypatch.setattr(steps, "_client", client)
    return found


def night(settings: Settings) -> tuple[Published, dict[str, Any], dict[Any, Any]]:
    """Run the night as the command does; what it published."""
    steps.prepare(asof=ASOF, settings=settings)
    for source in select_sources(settings.upstream):
        steps.ingest(source, asof=ASOF, settings=settings)
    steps.assess(asof=ASOF, settings=settings)
    steps.forecast(asof=ASOF, settings=settings)
    done = steps.publish(asof=ASOF, settings=settings)
    folder = settings.published_dir / "latest"
    index = json.loads((folder / "index.json").read_text("utf-8"))
    with (folder / "alerts.csv").open(encoding="utf-8", newline="") as stream:
        return done, index, {(row["city"], row["hazard"]): row for row in csv.DictReader(stream)}


def test_when_nobody_answers_that_is_said_first(settings: Settings) -> None:
    done, index, rows = night(settings)
    nobody = "providers: none gave anything of the last two days, nothing has ever come"
    said = [remark["text"] for remark in index["missing"]]
    assert said[0] == done.degraded[0] == nobody
    assert (index["status"], index["model_version"]) == ("Test", "none")
    assert {row["level"] for row in rows.values()} == {"unknown"}
    for source in select_sources("internet"):
        assert f"{source}: gave nothing, and never has" in said
    assert {f"{source}: gave nothing, and never has" for source in NIGHTLY} < {*done.degraded}


def test_history_is_asked_of_the_archive_and_trained_on(
    settings: Settings, httpserver: HTTPServer
) -> None:
    first, days = date(2022, 6, 1), (ASOF.date() - date(2022, 6, 1)).days + 1
    values: dict[str, float | None] = {
        f"{first + timedelta(days=day)}T07:00:00.0000000+07:00": 4.0 + (day % 365) * 0.01
        for day in range(days)
    }
    row = gauge_servers.inventory_row(
        "013901", "Water Level", "Manual", end="2026-08-20T07:00:00.0000000+07:00"
    )
    unique = row["uniqueId"]
    gauge_servers.serve_archive(httpserver, [row], {unique: gauge_servers.points(values)})
    base = httpserver.url_for("").rstrip("/")
    found = settings.model_copy(update={"endpoints": settings.endpoints | {"mrc_archive": base}})
    done, index, rows = night(found)
    begins = {request.args["sd"] for request, _ in httpserver.log if "sd" in request.args}
    assert "1960-01-01" in begins
    assert index["model_version"] != "none"
    pakse = rows["pakse", "flood"]
    assert (pakse["stage_time"], pakse["tier"]) == ("2026-08-20T00:00:00Z", "no_rain")
    assert (pakse["level"], pakse["river_level"], pakse["rain_level"]) == (
        "unknown", "none", "unknown",
    )  # fmt: skip
    assert pakse["headline"] == (
        "TEST. Flood: no warning from the river for Pakse; rain is not assessed"
    )
    assert rows["kratie", "flood"]["river_level"] == "unknown"
    assert not any(line.startswith(("providers", "models")) for line in done.degraded)
    others = [one.code for one in stations().values() if one.code != "013901"]
    never = [row["station"] for row in index["missing"] if row["code"] == "gauge_never"]
    assert sorted(never) == sorted(others)
    asked_before = len(httpserver.log)
    assert steps.prepare(asof=ASOF, settings=found) is None
    assert len(httpserver.log) == asked_before
