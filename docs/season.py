"""Count the messages of a season: ``python -m docs.season`` (8 min on one core).

The virtual basin's history is laid out and its models trained in a folder that is removed again;
then every night from June to November is run, of which the test of the season runs six weeks.
Writes the tables in docs/season.md; the figures are synthetic.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.make import between
from pipeline import steps
from pipeline.settings import ROOT, Settings
from pipeline.virtual import night as virtual_night
from pipeline.virtual.basin import VirtualBasin
from tests.scenarios.season import FIRST, run_season
from tests.scenarios.season_tables import make_tables


def make_stores(folder: Path) -> Settings:
    """Ingest the history before the season's year and train on it."""
    settings = Settings(data_dir=folder, upstream="virtual", records_url=None, alert_status="Test")
    asof = datetime(FIRST.year, 1, 1, tzinfo=UTC) + timedelta(minutes=30)
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    virtual_night.lay_out_history(basin, asof, settings.upstream_dir)
    steps.prepare(asof=asof, settings=settings)
    return settings


def main() -> None:
    """Run the season and write its tables."""
    with TemporaryDirectory() as folder:
        tables = make_tables(run_season(make_stores(Path(folder) / "stores")))
    page = ROOT / "docs" / "season.md"
    text = page.read_text(encoding="utf-8")
    for name, content in tables.items():
        text = between(text, name, content)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
