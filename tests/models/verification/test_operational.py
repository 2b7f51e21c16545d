"""What was issued, held against what came: counts by hand, as of a moment, the same in a replay."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.verification.operational import pool_scores
from pipeline import steps
from pipeline.console import describe_verified
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.records import Records
from tests.alerts.track_record_cases import CALM, DAY, FIRST, PAKSE, export, run
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.verification.issued_cases import store_night


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)


def issued_forecast(lead: int, q50: float, *, day: int, half_m: float = 0.3) -> dict[str, Any]:
    valid = FIRST.replace(minute=0) + (day + lead) * DAY
    row = {"q10": q50 - half_m, "q50": q50, "q90": q50 + half_m, "stage_m": 9.0}
    return {"station": PAKSE, "lead_days": lead, "tier": "full", "valid_time": valid, "row": row}


def test_squared_errors_are_of_the_mean_where_it_was_published(
    settings: Settings, tmp_path: Path
) -> None:
    store = Records(settings.database)
    skewed = issued_forecast(1, 9.5, day=0)
    skewed["row"]["mean_m"] = 9.25
    run(store, FIRST, "none", None, tables={"stage_forecasts": [skewed]})
    export(tmp_path / "a", [9.0] * 9, asof=FIRST + 8 * DAY)
    asof = FIRST + 8 * DAY
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    (one,) = steps.verify(asof=asof, settings=settings).cities
    assert one.rmse_m == pytest.approx(0.25)
    assert one.cover80 == 0.0  # 9.0 lies below 9.2, the lower end of the interval


def dry(current: str, p: float) -> list[dict[str, Any]]:
    row = {"current_class": current, "p_d1": p}
    return [{"zone": "city:pakse", "horizon_weeks": 1, "tier": "full", "row": row}]


def test_verify_counts_by_city_lead_and_level(settings: Settings, tmp_path: Path) -> None:
    store = Records(settings.database)
    key = None
    for day, letter in enumerate("nwwnnnnnnnn"):
        level = {"n": "none", "w": "watch"}[letter]
        tables = {
            "stage_forecasts": [
                issued_forecast(1, 9.5, day=day), issued_forecast(2, 9.0, day=day),
            ],
            "drought_forecasts": dry("D1" if day == 8 else "none", 0.8 if day == 1 else 0.1),
        }  # fmt: skip
        key = run(store, FIRST + day * DAY, level, key, tables=tables)
    export(tmp_path / "a", [9.0] * 9 + [9.2] * 7, asof=FIRST + 15 * DAY)
    asof = FIRST + 15 * DAY
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    done = steps.verify(asof=asof, settings=settings)
    one, two = done.cities
    assert (one.city, one.lead_days, one.forecasts) == ("pakse", 1, 11)
    # One day ahead 9.5 m was said: 9.0 came 8 times, 9.2 three times.
    assert one.rmse_m == pytest.approx(((8 * 0.25 + 3 * 0.09) / 11) ** 0.5)
    assert one.cp == pytest.approx(1 - (8 * 0.25 + 3 * 0.09) / (3 * 0.04))
    assert one.cover80 == pytest.approx(3 / 11)
    assert two.rmse_m == pytest.approx((4 * 0.04 / 11) ** 0.5)
    (watch,) = done.levels
    assert (watch.city, watch.level, watch.issued, watch.hits) == ("pakse", "watch", 1, 0)
    (drought,) = done.drought
    # Issued on days 0 to 3 and compared with days 7 to 10: only day 8 was dry.
    assert (drought.horizon_weeks, drought.forecasts, drought.events) == (1, 4, 1)
    assert drought.brier == pytest.approx((3 * 0.01 + 0.04) / 4)
    assert "0 of 1 flood warnings came true" in describe_verified(done)
    assert steps.verify(asof=asof, settings=settings) == done
    # Three days in, nothing later was known: neither readings nor what became of the Watch.
    early = steps.verify(asof=FIRST + 3 * DAY, settings=settings)
    assert (early.forecasts, early.levels, early.drought) == (5, (), ())
    assert [one.forecasts for one in early.cities] == [3, 2]
    assert asdict(early)["cities"][0]["city"] == "pakse"
    assert steps.verify(asof=asof, settings=settings) == done


def test_only_what_was_issued_is_scored(settings: Settings, tmp_path: Path) -> None:
    store = Records(settings.database)
    asof = FIRST + 8 * DAY

    def store_issue(
        q50: float, p: float, *, revision: int, issued: bool = True, late: bool = False,
        sent: datetime | None = None,
    ) -> None:  # fmt: skip
        store_night(
            store, FIRST, "none", revision=revision, issued=issued, late=late, sent=sent,
            stages=[issued_forecast(1, q50, day=0)], droughts=dry("none", p),
        )  # fmt: skip

    store_issue(9.25, 0.25, revision=0)
    store_issue(9.5, 0.5, revision=1, sent=FIRST + 3 * DAY)
    store_issue(9.75, 0.75, revision=2, issued=False, sent=FIRST + 4 * DAY)
    store_issue(9.75, 0.75, revision=3, late=True, sent=FIRST + 5 * DAY)
    store_night(store, FIRST + 7 * DAY, "none", droughts=dry("D1", 0.0))
    export(tmp_path / "a", [9.0] * 9, asof=asof)
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    # A revision was scored before it was known that nobody would be sent it.
    unsent = {"station": PAKSE, "lead_days": 1, "observed_m": 9.0, "error_m": 0.75,
              "persistence_error_m": 0.0, "inside_80": False}  # fmt: skip
    store.put(database.scores, FIRST, 2, [unsent])
    done = steps.verify(asof=asof, settings=settings)
    assert (done.forecasts, done.rmse_m) == (1, 0.5)
    assert [(score.forecasts, score.rmse_m) for score in done.cities] == [(1, 0.5)]
    (drought,) = done.drought
    assert (drought.forecasts, drought.events, drought.brier) == (1, 1, 0.25)
    # Before revision 1 was sent, revision 0 was what counted.
    early = steps.verify(asof=FIRST + 2 * DAY, settings=settings)
    assert [(score.forecasts, score.rmse_m) for score in early.cities] == [(1, 0.25)]


def test_runs_of_long_ago_are_scored_once(settings: Settings, tmp_path: Path) -> None:
    store = Records(settings.database)
    run(store, FIRST, "none", None, tables={"stage_forecasts": [issued_forecast(1, 9.5, day=0)]})
    export(tmp_path / "a", CALM, asof=FIRST + 119 * DAY)
    asof = FIRST + 119 * DAY
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    done = steps.verify(asof=asof, settings=settings)
    assert done.forecasts == 0
    assert [one.forecasts for one in done.cities] == [1]
    assert store.all_scores()["error_m"].tolist() == [0.5]


def test_what_was_issued_is_scored_by_the_tables_of_its_day(
    settings: Settings, tmp_path: Path, lay_over: LayOver
) -> None:
    """Pakse is warned at 11 m by its own gauge; that changes with the third night."""
    store, key = Records(settings.database), None
    for day, level in enumerate(("none", "watch", "none")):
        tables = {"stage_forecasts": [issued_forecast(1, 9.5, day=day)]}
        key = run(store, FIRST + day * DAY, level, key, tables=tables)
    asof = FIRST + 12 * DAY
    export(tmp_path / "a", [9.0, 9.5, 10.0, 10.5, 10.0, 9.5, *CALM[:7]], asof=asof)
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    before = steps.verify(asof=asof, settings=settings)
    assert [score.forecasts for score in before.cities] == [3]
    changed = f"{FIRST + 2 * DAY:%Y-%m-%d}"
    lay_over("thresholds.csv", STAGE_HEAD, f"{PAKSE},alarm,10.0,m,the agency,{changed},V")
    lay_over(
        "cities.csv",
        "id,name,country,lat,lon,unit,source,as_of,verified,station,ascn,in_basin,basin,hazards,"
        "utc_offset_h",
        f"pakse,Pakse,LA,15.1,105.813,degree,x,{changed},M,013801,false,true,se_done,river,7",
        f"savannakhet,Savannakhet,LA,16.56,104.74,degree,x,{changed},M,{PAKSE},false,true,"
        "mukdahan,river,7",
    )
    after = steps.verify(asof=asof, settings=settings)
    assert [(score.city, score.forecasts) for score in after.cities] == [
        ("savannakhet", 1), ("pakse", 2),
    ]  # fmt: skip
    (watch,) = after.levels
    assert (watch.city, watch.issued, watch.hits) == ("pakse", 1, 0)
    assert after.levels == before.levels


def test_scores_are_pooled_by_hand() -> None:
    scores = pd.DataFrame(
        {
            "error_m": [0.3, -0.4, 1.2],
            "persistence_error_m": [0.6, -0.8, np.nan],
            "inside_80": [True, True, False],
        }
    )
    pooled = pool_scores(scores)
    assert pooled["forecasts"] == 3
    assert pooled["rmse_m"] == pytest.approx(((0.09 + 0.16 + 1.44) / 3) ** 0.5)
    assert pooled["cp"] == pytest.approx(1 - 0.25 / 1.0), "of forecasts with a persistence"
    assert pooled["cover80"] == pytest.approx(2 / 3)
    assert pool_scores(scores.assign(persistence_error_m=0.0))["cp"] is None, "stages were constant"
