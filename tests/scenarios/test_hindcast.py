"""`hindcast` on exports: from CSV files to scores and report, nothing from the future."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

from models import registry
from models.drought.inputs import HORIZONS_WEEKS
from models.verification.hindcast_files import Hindcast
from models.verification.scores import SCORES
from pipeline import review, steps
from pipeline.console import describe_hindcast
from pipeline.geography import places
from pipeline.issuance.forecasts import forecast_droughts
from pipeline.issuance.snapshot import Snapshot, inputs_as_of, read_stage_inputs
from pipeline.settings import Settings
from pipeline.sources.gauges.gauge_files import HEADER
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.virtual.tables import write_areal_record, write_mrc_export

LAST = datetime(2018, 11, 1, tzinfo=UTC)
UPPER, LOWER = ("013101", "Nakhon Phanom"), ("013402", "Mukdahan")
PREK_KDAM = Path(__file__).parents[3] / "shared" / "gauges" / "prek_kdam_stage_daily_1960_2018.csv"


def export(folder: Path, *, until: str, wrong: str | None = None) -> None:
    """Two gauges, the lower one a day behind the upper, ten years of mornings.

    On the day ``wrong`` the upper gauge reads 1.5 m too high.
    """
    rng = np.random.default_rng(0)
    time = np.arange("2009-01-01", until, dtype="datetime64[D]")
    season = 4.0 - 3.0 * np.cos(2 * np.pi * (np.arange(len(time)) - 60) / 365.25)
    flood = np.zeros(len(time))
    for day, push in enumerate(rng.gamma(0.2, 1.0, len(time)), start=1):
        if day < len(time):
            flood[day] = 0.85 * flood[day - 1] + push
    upper = season + flood
    lower = season + np.concatenate([[0.0], flood[:-1]])
    if wrong is not None:
        upper = upper + 1.5 * (time == np.datetime64(wrong))
    for (code, name), stage in ((UPPER, upper), (LOWER, lower)):
        write_mrc_export(
            folder, country="TH", code=code, station=name, lat=17.0, lon=104.8, variable="stage",
            valid_time=time.astype("datetime64[ns]"), value=stage.round(2), published=LAST,
        )  # fmt: skip


def settings_in(folder: Path) -> Settings:
    return Settings(data_dir=folder, upstream="archive", records_url=None)


def hindcast(settings: Settings, out: Path, *, against: str | None = None) -> Hindcast:
    return review.hindcast(
        start=date(2017, 6, 1),
        end=date(2018, 7, 31),
        train_from=date(2009, 1, 1),
        leads=(1, 3),
        folder=out,
        against=against,
        settings=settings,
    )


def ingested(folder: Path, *, until: str) -> Settings:
    settings = settings_in(folder / "data")
    export(folder / "exports", until=until)
    steps.ingest("gauges", asof=LAST, folder=folder / "exports", settings=settings)
    return settings


def run(
    tmp_path: Path, *, until: str, against: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    done = hindcast(ingested(tmp_path, until=until), tmp_path / "out", against=against)
    assert done.forecasts > 0
    assert "SYNTHETIC, from the virtual basin: median wet-season CP: 1 d" in describe_hindcast(done)
    scores = pd.read_csv(tmp_path / "out" / "scores.csv", dtype={"station": str})
    forecasts = pd.read_parquet(tmp_path / "out" / "forecasts.parquet")
    return scores, forecasts, (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Scores, forecasts and report of the whole export, with another regressor beside."""
    folder = tmp_path_factory.mktemp("whole")
    return run(folder, until="2018-10-31", against="LinearRegression")


@pytest.mark.slow
def test_two_regressors_run_side_by_side(
    whole: tuple[pd.DataFrame, pd.DataFrame, str], tmp_path: Path
) -> None:
    _, forecasts, page = whole
    assert set(forecasts["alternative"]) == {"LinearRegression"}
    apart = (forecasts["alternative_m"] - forecasts["mean_m"]).abs()
    assert 0.0 < apart.median() < 0.5
    assert "with another regressor, LinearRegression" in page
    assert "model − alternative" in page
    with pytest.raises(steps.UserError, match=r"cannot hindcast: .* found 'Trees'"):
        hindcast(ingested(tmp_path, until="2010-01-01"), tmp_path / "out", against="Trees")


@pytest.mark.slow
def test_hindcast_of_a_generated_export(
    whole: tuple[pd.DataFrame, pd.DataFrame, str], tmp_path: Path
) -> None:
    scores, forecasts, page = whole
    assert list(scores.columns) == list(SCORES)
    assert scores["name"].str.endswith(" (synthetic)").all()
    assert len(scores) == 2 * 2 * 2, "one row per gauge, lead and season"
    wet = scores[scores["season"] == "wet"]
    assert wet["n"].min() > 150
    cp = {(row.station, row.lead_days): float(row.cp) for row in wet.itertuples()}  # type: ignore[arg-type]
    # The upper gauge tells the lower one tomorrow's change, not that of the day after.
    assert cp["013402", 1] > 0.8 > cp["013101", 1]
    assert cp["013402", 3] < cp["013402", 1]

    as_issued = {
        "issue_time", "station", "lead_days", "valid_time", "q025", "q05", "q10", "q25", "q50",
        "q75", "q90", "q95", "q975", "mean_m", "p_alarm", "p_flood", "tier", "model_version",
        "origin",
    }  # fmt: skip
    assert as_issued <= set(forecasts.columns)
    assert forecasts[sorted(as_issued - {"p_alarm", "p_flood"})].notna().all().all()
    assert "SYNTHETIC: made on the virtual basin." in page
    assert "Mukdahan" in page

    _, blind, alone = run(tmp_path / "cut", until="2018-06-16")
    assert "another regressor" not in alone
    until = pd.Timestamp("2018-06-15")
    keys = [
        "station", "lead_days", "issue_time", "q10", "q50", "q90", "mean_m", "p_alarm",
        "arx_m", "reference_m",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(
        forecasts.loc[forecasts["issue_time"] < until, keys].reset_index(drop=True),
        blind.loc[blind["issue_time"] < until, keys].reset_index(drop=True),
    )


@pytest.mark.slow
def test_a_correction_is_not_known_before_it_came(
    whole: tuple[pd.DataFrame, pd.DataFrame, str], tmp_path: Path
) -> None:
    """Trap 12: a reading of 10 June is mended on 15 June; until then the wrong one stands."""
    mended = datetime(2018, 6, 15, 12, tzinfo=UTC)
    settings = settings_in(tmp_path / "data")
    export(tmp_path / "first", until="2018-06-15", wrong="2018-06-10")
    steps.ingest(
        "gauges", asof=mended - timedelta(hours=10), folder=tmp_path / "first", settings=settings
    )
    export(tmp_path / "mended", until="2018-06-16")
    export(tmp_path / "then", until="2018-10-31")
    steps.ingest("gauges", asof=mended, folder=tmp_path / "mended", settings=settings)
    steps.ingest("gauges", asof=LAST, folder=tmp_path / "then", settings=settings)
    hindcast(settings, tmp_path / "out")
    found = pd.read_parquet(tmp_path / "out" / "forecasts.parquet")
    _, clean, _ = whole

    keys = ["issue_time", "station", "lead_days"]
    both = found.merge(clean, on=keys, suffixes=("", "_clean")).set_index("issue_time")
    assert len(both) == len(found) == len(clean)
    upper = both[(both["station"] == UPPER[0]) & (both["lead_days"] == 1)]
    apart = (upper["stage_m"] - upper["stage_m_clean"]).round(6)
    assert apart[apart != 0.0].to_dict() == {pd.Timestamp("2018-06-10 00:30"): 1.5}
    moved = (both["q50"] - both["q50_clean"]).abs() > 1e-9
    days = both.index[moved]
    assert days.min() == pd.Timestamp("2018-06-10 00:30")
    assert days.max() <= pd.Timestamp("2018-06-15 00:30")
    assert both["observed_m"].equals(both["observed_m_clean"])


def rain_year(folder: Path, year: int, mm: NDArray[np.float64], *, published: datetime) -> None:
    """Lay out the areal record of a year, each day known at 00:20 of the next."""
    days = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
    zones = list(places.zones())
    field = np.broadcast_to(mm[:, None], (len(days), len(zones)))
    record = xr.Dataset(
        {
            name: (("time", "zone"), field if name == "rain" else np.full_like(field, np.nan))
            for name in ("rain", "coverage", "soil_moisture", "ndvi", "lst")
        },
        {"time": days.astype("datetime64[ns]"), "zone": zones},
    )
    known = days.astype("datetime64[ns]") + np.timedelta64(24 * 60 + 20, "m")
    record = record.assign_coords(available_time=("time", known))
    write_areal_record(folder, year=record, published=published, origin="virtual")


def test_rain_is_that_of_its_own_morning(tmp_path: Path) -> None:
    """Trap 2: a later, better version of the rain is not what the morning's forecast had."""
    settings = ingested(tmp_path, until="2018-10-31")
    archive, later = Archive(settings.archive_dir), datetime(2018, 9, 1, tzinfo=UTC)
    rain_year(tmp_path / "late", 2018, np.full(365, 4.0), published=later)
    (path,) = (tmp_path / "late").rglob("areal_record_2018.nc")
    steps.ingest("zones", asof=LAST + timedelta(days=90), folder=path.parent, settings=settings)
    record = archive.read("zones", asof=LAST).load()
    better = record.isel(time=slice(150, 160)).assign(rain=lambda one: one["rain"] * 0 + 9.0)
    better = better.assign_coords(
        available_time=("time", np.full(10, np.datetime64("2018-09-01", "ns")))
    )
    archive.append("zones", better, message="better rain")

    view = Snapshot(Archive(settings.archive_dir), Records(settings.database), LAST, {}, "")
    start = datetime(2018, 1, 1, tzinfo=UTC)
    as_known = inputs_as_of(view, start=start)
    final = read_stage_inputs(view, start=start)
    unit = str(final.rain.columns[0])
    day = pd.Timestamp("2018-06-05")  # the rain of 4 June, day 154 from 0
    assert final.rain.loc[day, unit] == 9.0
    moment = datetime(2018, 6, 5, 0, 30, tzinfo=UTC)
    seen = as_known(moment, moment - timedelta(days=60))
    assert seen is not None
    assert seen.rain.loc[day, unit] == 4.0
    assert seen.rain.index[-1] == day
    before, after = datetime(2018, 5, 20, 0, 30, tzinfo=UTC), datetime(2018, 10, 1, tzinfo=UTC)
    assert as_known(before, before - timedelta(days=60)) is None
    assert as_known(after, after - timedelta(days=60)) is None


def prek_kdam(folder: Path) -> None:
    """The CC0 series as the data portal would export it: metres above the gauge's zero, 00:00Z."""
    table = pd.read_csv(PREK_KDAM).dropna()
    zero_m = places.station("020102").zero_m_amsl
    assert zero_m is not None
    times = pd.to_datetime(table["Date"], format="%Y/%m/%d")
    front = "KH,020102,Water Level,Manual,"
    lines = [
        f"{front}{time:%Y-%m-%dT%H:%M}Z,{value - zero_m:.2f},m,O,Approved,Good"
        for time, value in zip(times, table["Height"], strict=True)
    ]
    folder.mkdir()
    path = folder / "Water Level.Manual@KH_020102_[Prek Kdam].csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not PREK_KDAM.exists(), reason="../shared is not there")
def test_prek_kdam_from_file_to_report(tmp_path: Path) -> None:
    """Real stages, end to end: file, ingest, train, card, night's low flow, hindcast, scores."""
    prek_kdam(tmp_path / "exports")
    settings = settings_in(tmp_path / "data")
    asof = datetime(2019, 1, 10, tzinfo=UTC)
    done = steps.ingest("gauges", asof=asof, folder=tmp_path / "exports", settings=settings)
    assert (done.read, done.added, done.rejected) == (1, 21550, ())

    trained = steps.train(asof=datetime(2016, 1, 1, tzinfo=UTC), settings=settings)
    assert (trained.stations, trained.origin) == (1, "measured")
    text = (settings.models_dir / trained.version / "card.md").read_text(encoding="utf-8")
    assert "SYNTHETIC" not in text
    assert "| low flow, Prek Kdam | 0." in text
    models, _ = registry.load(settings.models_dir, trained.version)
    held_out: Any = pd.DataFrame(models["low_flow"].scores)
    held_out = held_out.set_index(["horizon_weeks", "drought_class"])
    # Against conditional climatology (month and class now), on 56 real years held out in blocks.
    assert held_out.loc[1, "skill_low"].min() > 0.0
    assert held_out.loc[[(4, 0), (4, 1), (4, 2), (8, 0)], "skill_low"].min() > 0.0
    assert held_out.loc[(8, slice(None)), "skill_vs_conditional"].min() > 0.0
    assert held_out.loc[(12, slice(None)), "skill_vs_conditional"].min() > -0.02

    april = datetime(2016, 4, 1, 0, 30, tzinfo=UTC)
    store = Records(settings.database)
    view = Snapshot(Archive(settings.archive_dir), store, april, models, trained.version)
    rows = forecast_droughts(view)
    assert rows["zone"].unique().tolist() == ["gauge:020102"]
    assert rows["horizon_weeks"].tolist() == list(HORIZONS_WEEKS)

    review.hindcast(
        start=date(2014, 6, 1),
        end=date(2016, 5, 31),
        train_from=date(1992, 1, 1),
        leads=(1, 3, 5, 7),
        folder=tmp_path / "out",
        settings=settings,
    )
    scores = pd.read_csv(tmp_path / "out" / "scores.csv", dtype={"station": str})
    assert set(scores["name"]) == {"Prek Kdam"}
    wet = scores[scores["season"] == "wet"]
    assert (wet["cp"] > 0.0).all()
    assert wet["cover80"].between(0.65, 0.92).all()
    assert set(scores["tier"]) == {"no_rain"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Measured stages" in page
