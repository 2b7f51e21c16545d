"""The steps on little data; whole nights are in tests/scenarios."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pydantic import SecretStr

from models import registry
from models.verification.scoreboard import make_scoreboard, write_scoreboard
from pipeline import review, steps
from pipeline.areal.update import RECENT, SPIN_UP
from pipeline.console import describe_trained, describe_verified
from pipeline.geography import places
from pipeline.geography.grid import MEKONG
from pipeline.results import Assessed, Replayed, Simulated
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage import database
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.times import utc64
from pipeline.virtual.products import write_imerg_day
from pipeline.virtual.tables import write_mrc_export
from tests.exchange.key_cases import pem

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
MORNING = datetime(2026, 8, 20, tzinfo=UTC)
DAY = timedelta(days=1)
PAKSE = "013901"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        upstream="archive",
        records_url=None,
        signing_keys_pem=SecretStr(pem("A")),
    )


def test_steps_with_nothing_to_work_on(settings: Settings) -> None:
    for source in NIGHTLY:
        done = steps.ingest(source, asof=ASOF, settings=settings)
        assert (done.read, done.known, done.added, done.missing) == (0, 0, 0, ())
    assert steps.assess(asof=ASOF, settings=settings) == Assessed(0, 0)
    assert describe_verified(steps.verify(asof=ASOF, settings=settings)) == (
        "verified: no forecast has come due yet"
    )
    with pytest.raises(steps.UserError, match=r"cannot train: .*ingest gauges first"):
        steps.train(asof=ASOF, settings=settings)
    with pytest.raises(registry.NoModels, match=r"found none; run: mekong train --date 2026-01-01"):
        registry.load_last(settings.models_dir, asof=ASOF)
    with pytest.raises(LookupError, match="no forecast was made for 2026-08-20 00:30Z"):
        steps.publish(asof=ASOF, settings=settings)
    with pytest.raises(LookupError, match="'mekong-x'"):
        review.replay("mekong-x", settings=settings)
    assert not settings.published_dir.exists()


def tree(settings: Settings) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, str]]]:
    """Index and rows of the last night."""
    folder = settings.published_dir / "latest"
    index = json.loads((folder / "index.json").read_text("utf-8"))
    with (folder / "alerts.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["city"], row["hazard"]): row for row in csv.DictReader(stream)}
    return index, rows


NO_MODELS = (
    "models: none, so that only what is observed raises a level: expected models trained by "
    "2026-08-20, found none; run: mekong train --date 2026-01-01"
)


def test_a_night_in_an_empty_folder_is_published_and_all_is_unknown(settings: Settings) -> None:
    assert steps.prepare(asof=ASOF, settings=settings) is None
    run = steps.forecast(asof=ASOF, settings=settings)
    assert (run.model_version, run.stations, run.zones, run.origin) == ("none", 0, 0, "measured")
    done = steps.publish(asof=ASOF, settings=settings)
    assert (done.messages, done.levels) == (0, {"unknown": 80})
    index, rows = tree(settings)
    assert (index["status"], index["model_version"]) == ("Test", "none")
    assert len(rows) == 80
    assert {row["level"] for row in rows.values()} == {"unknown"}
    flood = rows["pakse", "flood"]
    assert (flood["river_level"], flood["rain_level"]) == ("unknown", "unknown")
    assert flood["missing"] == (
        "a river reading of the last 48 hours; a usable river forecast; rain over the city, so "
        "that heavy local rain is not assessed"
    )
    said = [remark["text"] for remark in index["missing"]]
    assert said[0] == NO_MODELS
    assert {f"{source}: gave nothing, and never has" for source in NIGHTLY} <= {*said}
    every = ", ".join(f"{gauge.name} ({gauge.code})" for gauge in places.stations().values())
    assert said[-1] == f"gauges: nothing has ever come from {every}"
    assert done.degraded[0] == NO_MODELS
    assert "gauges: no gauge has a reading of this morning" in done.degraded
    before = (settings.published_dir / "latest").resolve()
    assert steps.forecast(asof=ASOF, settings=settings) == run
    assert steps.publish(asof=ASOF, settings=settings) == done
    assert (settings.published_dir / "latest").resolve() == before


def test_a_flood_that_is_seen_is_told_without_any_model(settings: Settings, tmp_path: Path) -> None:
    gauges(settings, tmp_path / "exports", [11.0, 11.6, 12.2], asof=ASOF)
    assert steps.prepare(asof=ASOF, settings=settings) is None, "three days are no history"
    steps.forecast(asof=ASOF, settings=settings)
    done = steps.publish(asof=ASOF, settings=settings)
    _, rows = tree(settings)
    pakse = rows["pakse", "flood"]
    assert (pakse["level"], pakse["river_level"], pakse["stage_m"]) == (
        "emergency", "emergency", "12.2",
    )  # fmt: skip
    assert (pakse["tier"], pakse["p_alarm_7d"]) == ("climatology", "")
    assert rows["kratie", "flood"]["level"] == "unknown"
    assert done.messages == 1
    stored = Records(settings.database).get(database.stage_forecasts, ASOF, 0)
    beyond = [
        row["row"][name] for row in stored for name in ("extrapolated", "median_extrapolated")
    ]
    assert beyond == [False] * 14, "there is no forecast that could lie beyond the record"
    (message,) = (settings.published_dir / "latest").glob("cap/*.xml")
    assert review.replay(message.stem, settings=settings) == Replayed(message.read_bytes())


def test_a_forecast_is_made_again_when_its_inputs_are_assessed(
    settings: Settings, tmp_path: Path
) -> None:
    gauges(settings, tmp_path / "exports", [7.0, 8.5, 9.0], asof=ASOF)
    first = steps.forecast(asof=ASOF, settings=settings)
    assert steps.forecast(asof=ASOF, settings=settings).revision == first.revision == 0
    archive = Archive(settings.archive_dir)
    record = xr.Dataset(
        {"rain": (("time", "zone"), np.ones((1, 1), "f4"))},
        {"time": [utc64(MORNING - DAY)], "zone": ["basin:chi"],
         "available_time": ("time", [utc64(ASOF)])},
    )  # fmt: skip
    archive.append("rain_pairs", record, message="assessed")
    assert steps.forecast(asof=ASOF, settings=settings).revision == 1
    assert steps.forecast(asof=ASOF, settings=settings).revision == 1, "the same contents again"
    later = record.assign_coords(available_time=("time", [utc64(ASOF + DAY)]))
    archive.append("rain_pairs", later + 1, message="the night after")
    assert steps.forecast(asof=ASOF, settings=settings).revision == 1, "not known by then"


def test_of_models_that_are_broken_those_before_are_used_and_named(settings: Settings) -> None:
    first = model(settings, datetime(2025, 1, 1, tzinfo=UTC))
    second = model(settings, datetime(2026, 1, 1, tzinfo=UTC))
    (settings.models_dir / second / "stage.skops").write_bytes(b"PK")
    assert registry.load_last(settings.models_dir, asof=ASOF)[1]["version"] == first
    run = steps.forecast(asof=ASOF, settings=settings)
    assert run.model_version == first
    done = steps.publish(asof=ASOF, settings=settings)
    assert done.degraded[0].startswith(f"models {second} are damaged (")
    assert done.degraded[0].endswith(f"; {first} stands in")
    assert tree(settings)[0]["missing"][0]["text"] == done.degraded[0]
    (settings.models_dir / first / registry.METADATA).write_text("{")
    with pytest.raises(registry.NoModels, match=r"found models .* are damaged"):
        registry.load_last(settings.models_dir, asof=ASOF)
    assert steps.forecast(asof=ASOF, settings=settings).model_version == "none"


def test_only_the_virtual_upstream_is_simulated(settings: Settings) -> None:
    assert steps.simulate(asof=ASOF, settings=settings) == Simulated(0, [])
    assert not settings.upstream_dir.exists()


def model(settings: Settings, trained: datetime) -> str:
    metadata = {"asof": trained.isoformat(), "origin": "virtual"}
    return registry.save({"stage": {"slope": 1.0}}, metadata, settings.models_dir)


def test_prepare_does_nothing_where_there_are_models(settings: Settings) -> None:
    model(settings, datetime(2026, 1, 1, tzinfo=UTC))
    assert steps.prepare(asof=ASOF, settings=settings) is None


def gauges(settings: Settings, folder: Path, values: list[float], *, asof: datetime) -> None:
    """Morning readings of Pakse that end on the day of ``asof``."""
    last = np.datetime64(asof.date(), "D")
    write_mrc_export(
        folder, country="LA", code=PAKSE, station="Pakse", lat=15.1, lon=105.8, variable="stage",
        valid_time=last - np.arange(len(values))[::-1], value=np.array(values), published=asof,
    )  # fmt: skip
    steps.ingest("gauges", asof=asof, settings=settings, folder=folder)


def run_of(settings: Settings, issue_time: datetime, rows: list[dict[str, Any]]) -> None:
    store = Records(settings.database)
    run = store.draft_run(
        {
            "issue_time": issue_time, "inputs_digest": "0", "snapshot": "s", "batch": 0,
            "model_version": "m", "origin": "virtual", "settings": {}, "follows": None,
            "rules": {}, "code": "",
        }
    )  # fmt: skip
    alert = {
        "city": "pakse", "hazard": "flood", "level": "none", "identifier": None,
        "memory": {"level": "none"},
    }  # fmt: skip
    store.store_run(run, {database.stage_forecasts: rows, database.alerts: [alert]})


def forecast(
    lead: int, *, q10: float, q50: float | None, q90: float, stage_m: float | None
) -> dict[str, Any]:
    """Forecast of Pakse issued on 18 August."""
    return {
        "station": PAKSE, "lead_days": lead, "tier": "full",
        "valid_time": MORNING - 2 * DAY + lead * DAY,
        "row": {"q10": q10, "q50": q50, "q90": q90, "stage_m": stage_m},
    }  # fmt: skip


def test_forecasts_are_scored_by_hand(settings: Settings, tmp_path: Path) -> None:
    gauges(settings, tmp_path / "exports", [7.0, 8.5, 9.0], asof=ASOF)
    issued = ASOF - 2 * DAY
    run_of(
        settings,
        issued,
        [
            forecast(1, q10=7.5, q50=8.0, q90=8.4, stage_m=7.0),  # 8.5 came
            forecast(2, q10=8.5, q50=9.25, q90=9.9, stage_m=7.0),  # 9.0 came
            forecast(3, q10=8.5, q50=9.5, q90=9.9, stage_m=7.0),  # not due
        ],
    )
    assert steps.verify(asof=issued + timedelta(hours=1), settings=settings).forecasts == 0
    first = steps.verify(asof=ASOF - DAY, settings=settings)
    assert first.forecasts == 1
    assert first.rmse_m == pytest.approx(0.5)
    assert first.cp == pytest.approx(1 - 0.25 / 2.25)
    done = steps.verify(asof=ASOF, settings=settings)
    assert done.forecasts == 2
    assert done.rmse_m == pytest.approx(((0.25 + 0.0625) / 2) ** 0.5)
    assert done.cp == pytest.approx(1 - 0.3125 / (1.5**2 + 2.0**2))
    assert done.cover80 == 0.5
    assert "2 forecasts of the last 60 days came due, RMSE 0.40 m" in describe_verified(done)
    scores = Records(settings.database).all_scores()
    assert scores["error_m"].tolist() == [-0.5, 0.25]
    assert scores["observed_m"].tolist() == [8.5, 9.0]
    assert scores["inside_80"].tolist() == [False, True]
    assert steps.verify(asof=ASOF, settings=settings) == done
    assert len(Records(settings.database).all_scores()) == 2
    stored = sorted(path.name for path in settings.scoreboard_dir.iterdir())
    assert stored == ["20260818T0130Z", "20260819T0030Z", "20260820T0030Z"]
    kept = settings.scoreboard_dir / "20260820T0030Z"
    board = make_scoreboard(Records(settings.database), asof=ASOF)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == write_scoreboard(board)


def test_what_was_not_forecast_is_not_scored(settings: Settings, tmp_path: Path) -> None:
    gauges(settings, tmp_path / "exports", [7.0, 8.5, 9.0], asof=ASOF)
    rows = [
        forecast(1, q10=7.5, q50=None, q90=8.4, stage_m=7.0),
        forecast(2, q10=8.5, q50=9.0, q90=9.9, stage_m=None),
    ]
    run_of(settings, ASOF - 2 * DAY, rows)
    done = steps.verify(asof=ASOF, settings=settings)
    assert (done.forecasts, done.rmse_m, done.cp) == (1, 0.0, None)
    assert "CP" not in describe_verified(done)


@pytest.mark.slow
def test_a_later_correction_is_what_a_forecast_is_scored_with(
    settings: Settings, tmp_path: Path
) -> None:
    exports = tmp_path / "exports"
    gauges(settings, exports, [7.0, 8.5, 9.0], asof=ASOF)
    run_of(settings, ASOF - 2 * DAY, [forecast(2, q10=8.0, q50=9.0, q90=9.9, stage_m=7.0)])
    assert steps.verify(asof=ASOF, settings=settings).rmse_m == 0.0
    gauges(settings, exports, [7.0, 8.5, 9.4, 9.5], asof=ASOF + DAY)
    assert steps.verify(asof=ASOF + DAY, settings=settings).rmse_m == pytest.approx(0.4)
    assert steps.verify(asof=ASOF, settings=settings).rmse_m == 0.0


def days_of_rain(settings: Settings, folder: Path, first: datetime, rain: list[float]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for number, depth in enumerate(rain):
        start = first + number * DAY
        path = write_imerg_day(
            folder / "laid_out", time=start, rain=np.full(MEKONG.shape, depth), grid=MEKONG,
            n_valid=np.full(MEKONG.shape, 48), published=start + DAY,
        )  # fmt: skip
        path.replace(folder / path.name)
    steps.ingest("imerg_daily", asof=ASOF + 5 * DAY, settings=settings, folder=folder)


@pytest.mark.slow
def test_the_areal_record_grows_by_what_is_new(settings: Settings, tmp_path: Path) -> None:
    def rain(asof: datetime) -> list[float]:
        record = Archive(settings.archive_dir).read("zones", asof=asof, start=MORNING - 3 * DAY)
        return [float(depth) for depth in record["rain"].sel(zone="basin:chi")]

    days_of_rain(settings, tmp_path / "a", MORNING - 3 * DAY, [1.0, 2.0])
    first = steps.assess(asof=ASOF, settings=settings)
    assert (first.days, first.changed) == (SPIN_UP.days, SPIN_UP.days)
    assert rain(ASOF) == pytest.approx([1.0, 2.0, np.nan], nan_ok=True)
    assert steps.assess(asof=ASOF, settings=settings).changed == 0
    snapshot = Archive(settings.archive_dir).snapshot

    later = ASOF + 2 * DAY
    days_of_rain(settings, tmp_path / "b", MORNING - DAY, [3.0, 4.0])
    second = steps.assess(asof=later, settings=settings)
    assert (second.days, second.changed) == (RECENT.days, 3), "one filled, two new"
    assert rain(later) == pytest.approx([1.0, 2.0, 3.0, 4.0, np.nan], nan_ok=True)
    assert rain(ASOF) == pytest.approx([1.0, 2.0, np.nan], nan_ok=True)
    assert Archive(settings.archive_dir).snapshot != snapshot

    gap = steps.assess(asof=ASOF + 20 * DAY, settings=settings)
    assert gap.days == 18, "the last ten, and the eight that no night made"
    record = Archive(settings.archive_dir).read("zones", asof=ASOF + 20 * DAY)
    assert (np.diff(record["time"].values) == np.timedelta64(1, "D")).all(), "no day is left out"
    assert record["time"].values[-1] == utc64(MORNING + 19 * DAY)


@pytest.mark.slow
def test_worse_models_do_not_take_the_place_of_the_former(
    settings: Settings, tmp_path: Path
) -> None:
    days = np.arange(9 * 365)
    season = 5.0 - 4.0 * np.cos(2 * np.pi * (days - 60) / 365.25)
    noise = np.convolve(np.random.default_rng(0).normal(0, 0.2, len(days) + 9), np.ones(10))
    gauges(settings, tmp_path / "exports", list(season + noise[9 : len(days) + 9]), asof=ASOF)
    first = steps.train(asof=ASOF, settings=settings, unless_worse=True)
    assert (first.stations, first.kept) == (1, ())
    again = steps.train(asof=ASOF, settings=settings, unless_worse=True)
    assert again == first, "as good as the former"
    models, metadata = registry.load(settings.models_dir)
    tiers = models["stage"].stations[PAKSE].tiers_
    tiers["full"] = replace(tiers["full"], held_out_cp=tiers["full"].held_out_cp + 0.1)
    better = registry.save(models, {**metadata, "version": None}, settings.models_dir)
    kept = steps.train(asof=ASOF, settings=settings, unless_worse=True)
    assert kept.version == better
    assert kept.kept[0].startswith("stage, 1 d ahead, median CP: ")
    assert "kept, the new ones are worse: stage, 1 d ahead" in describe_trained(kept)
    assert {path.name for path in settings.models_dir.iterdir() if path.is_dir()} == {
        first.version, better, "latest",
    }  # fmt: skip
    assert steps.train(asof=ASOF, settings=settings).version == first.version, "as asked"
