from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.exchange.report_file import publish_reports
from pipeline.ground_reports.intake import add_observation
from pipeline.settings import Settings

NOON = datetime(2026, 8, 20, 5, 0, tzinfo=UTC)


def test_a_report_is_shown_when_it_comes(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    add_observation(
        "pakse", "flooded", at=NOON - timedelta(hours=1), depth_cm=30, sender="A", asof=NOON,
        settings=settings,
    )  # fmt: skip
    publish_reports(settings, asof=NOON)
    file = settings.published_dir / "reports.json"
    assert not file.exists(), "nothing is published yet"
    settings.published_dir.mkdir()
    (settings.published_dir / "versions").mkdir()
    (settings.published_dir / "latest.json").write_text('{"status": "Test"}')
    publish_reports(settings, asof=NOON)
    shown = json.loads(file.read_bytes())
    assert (shown["status"], shown["cities"]["pakse"]["flooded"]) == ("Test", 1)
    publish_reports(settings, asof=NOON - timedelta(days=1))
    assert json.loads(file.read_bytes()) == shown, "an older moment replaces nothing"
    publish_reports(settings, asof=NOON + timedelta(days=1))
    assert json.loads(file.read_bytes())["cities"] == {}
    for damage in (b"", b"[]", b"{", b'{"asof": 1}'):
        file.write_bytes(damage)
        publish_reports(settings, asof=NOON)
        assert json.loads(file.read_bytes()) == shown, "a damaged file is replaced"
