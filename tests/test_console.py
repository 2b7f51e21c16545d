"""Lines and tables for people."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.verification.comparison import COLUMNS, RivalComparison
from models.verification.hindcast_files import Hindcast
from models.verification.operational import CityScore, DroughtScore, LevelScore
from pipeline import __main__ as cli
from pipeline import console, steps
from pipeline.exchange.cancellation import Cancelled
from pipeline.gridded.job import JobResult
from pipeline.ingest.run import Ingested
from pipeline.ingest.status import SourceStatus
from pipeline.results import Forecast, Published, Verified
from tests.command_line import run

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reached", "first"),
    [
        ([None, False, None, False], "providers: none could be reached, of 2 sources that were"),
        ([None, False, True, False], "imerg_late: skipped, needs A_TOKEN"),
        ([None, None, None, None], "imerg_late: skipped, needs A_TOKEN"),
    ],
)
def test_when_no_provider_is_reached_that_is_the_first_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reached: list[bool | None],
    first: str,
) -> None:
    monkeypatch.setattr(
        cli, "select_sources", lambda _: ["imerg_late", "imerg_early", "chirps", "smap"]
    )
    answers = iter(reached)

    def ingest(source: str, **_: object) -> Ingested:
        needs = "A_TOKEN" if source == "imerg_late" else None
        return Ingested(source, 0, 0, 0, needs=needs, reached=next(answers))

    monkeypatch.setattr(steps, "ingest", ingest)
    assert run(monkeypatch, tmp_path, "ingest", "all", MEKONG_UPSTREAM="internet") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(first)
    assert sum(line.startswith("providers") for line in lines) == (lines[0][:9] == "providers")
    assert len(lines) == 4 + (lines[0][:9] == "providers")


def test_an_ingest_has_a_line_for_each_fact() -> None:
    names = [f"{number}.csv: Evaporation is not used" for number in range(7)]
    done = Ingested(
        "gauges", 3, 4, 12, missing=("a", "b"), rejected=("c.csv: expected m, found ft",),
        passed_over=(*names, "d.zip: empty"), rejected_before=1, unknown_stations=("450101",),
        unknown_station_files=("e.csv",), unfetched=("f: silence", "g"), not_yet=("h: a page",),
        remarks=("i.csv: 1 bad row",), nothing_came_in=True,
    )  # fmt: skip
    assert console.describe_ingested(done).splitlines() == [
        (
            "gauges: 3 files read, 12 steps or readings added, 4 known already, 1 of them rejected "
            "before"
        ),
        "gauges: 2 files that should exist are missing",
        "gauges: 2 files could not be fetched, the last: f: silence",
        "gauges: 1 files are not due yet and did not come, the last: h: a page",
        "gauges: rejected c.csv: expected m, found ft",
        (
            "gauges: expected stations of data/reference/stations.csv, found others: new stations "
            "450101 in e.csv; kept, to predict with but not to warn by"
        ),
        "gauges: i.csv: 1 bad row",
        (
            "gauges: passed over 7 files: Evaporation is not used "
            "(0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more)"
        ),
        "gauges: passed over 1 files: empty (d.zip)",
        "gauges: nothing came in",
    ]


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (
            Ingested("smap", 0, 0, 0, needs="A_TOKEN", missing=("a",)),
            "smap: skipped, needs A_TOKEN, which is not set",
        ),
        (
            Ingested("smap", 1, 0, 1, missing=("a", "b")),
            "smap: 2 files that should exist are missing: the last: b",
        ),
        (
            Ingested("smap", 0, 0, 0, missing=("a",), cause="by hand alone"),
            "smap: 1 files that should exist are missing: by hand alone",
        ),
        (Ingested("smap", 0, 0, 0, cause="by hand alone"), "smap: no files: by hand alone"),
    ],
)
def test_why_files_are_missing_is_said_once(done: Ingested, line: str) -> None:
    assert console.describe_ingested(done).splitlines()[-1] == line


def test_steps_are_described_in_a_line_each() -> None:
    forecast = Forecast(
        "2026-08-20 00:30Z",
        1,
        3,
        25,
        {"full": 2, "no_rain": 1},
        "m1",
        "measured",
        ("m2 is damaged",),
    )
    assert console.describe_forecast(forecast).splitlines() == [
        "forecast 2026-08-20 00:30Z r1: 3 gauges (2 full, 1 no_rain), 25 zones",
        "m2 is damaged; used m1 in their place; train anew or put back a backup",
    ]
    published = Published("there", 0, 2, {"watch": 2, "none": 78}, degraded=("a reason",))
    assert console.describe_published(published) == (
        "published there: 2 CAP messages (78 none, 2 watch), not signed"
    )
    job = JobResult("r", False, 3, 1, "1991-2020", True, {"spi30": 2, "cdd": 1})
    assert console.describe_indices(job).splitlines() == [
        (
            "indices of the grid: 3 days and 1 months made; reference r of 1991-2020 kept, shorter "
            "than 30 years"
        ),
        "indices of the grid: 1 values of cdd out of range and left out",
        "indices of the grid: 2 values of spi30 out of range and left out",
    ]
    assert console.describe_indices(JobResult("")).endswith("run: mekong indices --record")


def test_only_a_synthetic_hindcast_says_so() -> None:
    done = Hindcast("out", 8, "measured", {1: 0.414, 3: 0.3}, {1: 0.2})
    assert console.describe_hindcast(done).splitlines()[:2] == [
        "8 forecasts in out", ("median wet-season CP: 1 d 0.41 (reference 0.20), 3 d 0.30 "
        "(reference nan)"),
    ]  # fmt: skip
    virtual = console.describe_hindcast(replace(done, origin="virtual")).splitlines()
    assert virtual[1].startswith("SYNTHETIC, from the virtual basin: median wet-season CP: 1 d")


def test_sources_stand_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    hour = timedelta(hours=1)
    states = [
        SourceStatus(
            "imerg_late", (("A_TOKEN or A_PASSWORD", False),), ASOF - 20 * hour, 20 * hour,
            14 * hour, "expected [a file], found a page", False,
        ),
        SourceStatus("gauges", (), ASOF - hour / 2, hour / 2, hour, "9 kB", True),
        SourceStatus("ndvi", (("B", True),), None, None, 96 * hour),
    ]  # fmt: skip
    console.print_sources(states, asof=ASOF, with_provider=True)
    title, head, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == "Sources as of 2026-08-20 00:30Z"
    assert head.split() == ["Source", "Needs", "Last", "datum", "ends", "Lag", "Usual", "Provider"]
    rows = [" ".join(line.split()) for line in lines if line.strip()]
    assert rows == [
        (
            "imerg_late A_TOKEN/PASSWORD: not set 2026-08-19 04:30Z 20 h 14 h no expected "
            "[a file], found a page"
        ),
        "gauges – 2026-08-20 00:00Z 30 min 1 h ok 9 kB",
        "ndvi B: set – – 4 d –",
    ]
    console.print_sources(states, asof=ASOF, with_provider=False)
    assert "a page" not in capsys.readouterr().out


def test_scores_stand_by_city_level_and_horizon(capsys: pytest.CaptureFixture[str]) -> None:
    verified = Verified(
        4,
        cities=(
            CityScore("pakse", 1, 3, 0.204, None, 2 / 3),
            CityScore("pakse", 2, 1, 0.5, 0.25, 1.0),
        ),
        levels=(LevelScore("pakse", "watch", 3, 2),),
        drought=(DroughtScore(4, 10, 3, 0.1234),),
    )
    console.print_scores(verified, since=ASOF)
    text = " ".join(capsys.readouterr().out.split())
    assert "Stage forecasts as issued since 2026-08-20" in text
    assert "pakse │ 1 d │ 3 │ 0.20 m │ – │ 67%" in text
    assert "pakse │ 2 d │ 1 │ 0.50 m │ 0.25 │ 100%" in text
    assert "pakse, flood watch since 2026-08-20: the mark was reached after 2 of 3 of them" in text
    assert (
        "drought D1 or drier in 4 weeks since 2026-08-20: 10 forecasts, 3 came, Brier score 0.123"
    ) in text


def test_a_night_shows_the_highest_level_first_and_why_others_are_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = dict.fromkeys(
        (
            "probability", "certainty", "stage_m", "alarm_m", "flood_m", "drought_class", "spi3",
            "soil_moisture_percentile", "rain_return_period_years", "missing", "reasons",
            "driver_rain_cm", "driver_own_trend_cm", "driver_tide_cm", "drivers_method",
        ),
        "",
    )  # fmt: skip
    rows = [
        {"name": "Vientiane", "country": "LA", "hazard": "flood", "level": "watch",
         "probability": "0.314", "certainty": "Possible", "stage_m": "9.1", "alarm_m": "11.5",
         "flood_m": "12.5", "driver_rain_cm": "40", "driver_own_trend_cm": "-55.4",
         "driver_tide_cm": "1", "drivers_method": "exact", "rain_return_period_years": "6.2"},
        {"name": "Pakse", "country": "LA", "hazard": "flood", "level": "emergency",
         "certainty": "Observed", "stage_m": "12.2", "alarm_m": "11.0", "flood_m": "12.0"},
        {"name": "Kratie", "country": "KH", "hazard": "flood", "level": "unknown",
         "missing": "a river reading"},
        {"name": "Loei", "country": "TH", "hazard": "flood", "level": "unknown",
         "reasons": "cancelled"},
        {"name": "Pakse", "country": "LA", "hazard": "drought", "level": "none"},
    ]  # fmt: skip
    with (tmp_path / "alerts.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["name", "country", "hazard", "level", *blank])
        writer.writeheader()
        writer.writerows(blank | row for row in rows)
    with pytest.raises(LookupError, match=f"expected a night published in {tmp_path}, found none"):
        console.print_night(tmp_path)
    said = {"text": "smap: gave nothing"}
    index = {"status": "Test", "issue_time": "T", "missing": [*2 * [said], "old"],
             "model_version": "m1", "archive_snapshot": "s1"}  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    console.print_night(tmp_path)
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Test: alerts issued T" in text
    emergency = text.index("Pakse LA flood emergency seen 12.20 m 11.0 / 12.0 m")
    watch = text.index("Vientiane LA flood watch 31% 9.10 m 11.5 / 12.5 m own trend -55, rain +40")
    assert emergency < watch
    assert "rain 1 in 6 y" in text
    assert "UNKNOWN flood in Kratie: missing a river reading." in text
    assert "UNKNOWN flood in Loei: its message was cancelled." in text
    assert "No flood warning, on sufficient evidence, in 0 of 4 cities." in text
    assert "No drought warning, on sufficient evidence, in 1 of 1 cities: Pakse." in text
    assert text.count("Missing: smap: gave nothing") == 1, "said once"
    assert "Missing: old" in text, "as published by an earlier version"
    assert "Models m1, archive s1" in text
    assert "alerts.csv" in text
    assert "risk.nc" not in text


def test_a_comparison_is_a_table_with_what_is_unfair(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("", 1, "mae_m", "low", 40, 0.1, 0.2, 0.3, 0.4, -0.1, -0.125, -0.075, "better"),
        ("", 3, "mae_m", "low", 40, 0.3, 0.2, 0.3, 0.4, 0.1, np.nan, np.nan, "no interval"),
        ("013402", 1, "mae_m", "low", 40, 0.777, 0.2, 0.3, 0.4, -0.1, -0.1, -0.1, "better"),
        ("", 1, "nse", "high", 40, 0.888, 0.2, 0.3, 0.4, -0.1, -0.1, -0.1, "better"),
    ]
    comparison = RivalComparison(
        ours="ours, as issued by 40 runs", rival="rival.csv", virtual=True,
        scores=pd.DataFrame(rows, columns=list(COLUMNS)), counts={"compared": 80},
        remarks=("rival: Pakse is off",), interval="90 %, over 3 whole hydrological years",
        gauges=("013402",), first="2020-06-01", last="2023-05-31",
    )  # fmt: skip
    console.print_comparison(comparison)
    out = capsys.readouterr().out
    assert "Exercise: from the virtual basin. Ours beside rival.csv" in " ".join(out.split())
    assert "-0.100 (-0.125 to -0.075)" in out
    assert "no interval" in out
    assert "nan" not in out
    assert "0.777" not in out
    assert "0.888" not in out
    assert "rival: Pakse is off" in out
    assert "80 compared" in out


def test_a_cancellation_whose_pages_were_not_made_anew_says_so() -> None:
    whole = Cancelled("mekong-1", "mekong-1-cancel", "cap/mekong-1-cancel.xml")
    assert console.describe_cancelled(whole) == "cancelled mekong-1: cap/mekong-1-cancel.xml"
    line = console.describe_cancelled(replace(whole, degraded=("pages: not made anew (OSError)",)))
    assert line == "cancelled mekong-1: cap/mekong-1-cancel.xml; pages: not made anew (OSError)"
