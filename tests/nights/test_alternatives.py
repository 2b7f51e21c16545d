"""Decisions of a night with other choices, beside those issued."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.stage.names import HIGHEST
from pipeline.geography import places
from pipeline.nights.alternatives import _check_rules, _exceed, _reach_stages, decide_again
from pipeline.nights.night import Night, open_night
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def night(nights: Settings) -> Night:
    return open_night("2026-08-20", settings=nights)


def files(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of modification of every file and folder.

    Of SQLite's files, which a test must not open, the time alone, and not that of its lock
    (``-shm``), which readers touch; :func:`tables` has their content.
    """
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file() and not path.name.startswith("records.db")
            else "",
            path.lstat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.name != "records.db-shm"
    }


def tables(folder: Path) -> list[str]:
    """Everything in the tables, as SQL."""
    connection = sqlite3.connect(f"file:{folder / 'records.db'}?mode=ro", uri=True)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_without_another_choice_the_levels_are_those_issued(night: Night) -> None:
    levels = night.what_if()
    assert len(levels) == 2 * len(places.cities())
    assert not levels["changed"].any()
    assert levels["level"].tolist() == levels["level_issued"].tolist()
    assert levels["level"].nunique() >= 4
    assert levels.attrs["status"] == "Exercise"


@pytest.mark.slow
def test_nothing_is_written(night: Night, nights: Settings) -> None:
    folder = nights.data_dir
    rows, before = tables(folder), files(folder)
    night.what_if(
        without=("imerg", "gauges"),
        thresholds={"Pakse": {"alarm": 9.0}},
        rules={"watch_rain_years": 1.0},
    )
    assert files(folder) == before
    assert tables(folder) == rows


@pytest.mark.slow
def test_other_stages_change_the_level_of_their_city_alone(night: Night) -> None:
    lower = night.what_if(thresholds={"Pakse": {"alarm": 9.5, "flood": 30.0}})
    pakse = lower.query("city == 'pakse' and hazard == 'flood'").iloc[0]
    assert "seen_alarm" in pakse["reasons"], "9.9 m were read"
    assert set(lower[lower["changed"]]["city"]) <= {"pakse"}
    higher = night.what_if(thresholds={"013901": {"alarm": 40.0, "flood": 41.0}})
    pakse = higher.query("city == 'pakse' and hazard == 'flood'").iloc[0]
    assert pakse["level"] == "none"


def test_other_rules_count_in_every_city(night: Night) -> None:
    levels = night.what_if(rules={"watch_rain_years": 1.0}).query("hazard == 'flood'")
    assert levels["reasons"].str.contains("rain").all()
    assert set(levels["level"]) <= {"watch", "warning", "emergency"}
    never = night.what_if(rules={"drought_p": 1.0}).query("hazard == 'drought'")
    assert not never["reasons"].str.contains("p_d").any()


@pytest.mark.slow
def test_a_source_left_out_takes_what_it_brought(night: Night) -> None:
    levels = night.what_if(without=("gauges",), nights=90)
    floods = levels.query("hazard == 'flood'").set_index("city")
    gauged = [
        city.id
        for city in places.cities().values()
        if city.station and places.station(city.station).alarm_m is not None
    ]
    assert set(floods.loc[gauged, "level"]) <= {"unknown", "watch"}, "rain alone raises a Watch"
    assert "stage" in str(floods.loc["pakse", "missing"])


def test_what_is_not_known_is_named(night: Night) -> None:
    with pytest.raises(LookupError, match=r"without: expected sources of imerg_late, .*'trmm'"):
        night.what_if(without=("trmm",))
    with pytest.raises(LookupError, match="Siem Reap has no gauge"):
        night.what_if(thresholds={"Siem Reap": {"alarm": 1.0}})
    with pytest.raises(LookupError, match="Pakse: expected stages of alarm, flood, found danger"):
        night.what_if(thresholds={"Pakse": {"danger": 1.0}})
    with pytest.raises(LookupError, match=r"rules: expected one of watch_p_alarm_7d.*'watch_p'"):
        night.what_if(rules={"watch_p": 0.5})
    with pytest.raises(ValueError, match="expected alarm <= flood stage"):
        decide_again(night.run, night.settings, thresholds={"Pakse": {"alarm": 20.0}})


@pytest.mark.parametrize("stage_m", [np.nan, np.inf, -50.0, None, "10", True])
def test_a_stage_is_a_number_that_a_gauge_can_have(night: Night, stage_m: float) -> None:
    with pytest.raises(ValueError, match="Pakse, flood: expected a number from -5 to 60, found"):
        night.what_if(thresholds={"Pakse": {"flood": stage_m}})


@pytest.mark.parametrize("p", [np.nan, np.inf, -0.1, 25, None, "0.4"])
def test_a_probability_is_a_share(p: float) -> None:
    with pytest.raises(ValueError, match="watch_p_alarm_7d: expected a number from 0 to 1, found"):
        _check_rules({"watch_p_alarm_7d": p})


def test_a_rule_has_the_bounds_of_the_tables() -> None:
    with pytest.raises(ValueError, match="rules, stale: expected a number from 1 to 240, found"):
        _check_rules({"stale": timedelta(days=30)})


def test_a_gauge_has_other_stages_once(night: Night) -> None:
    with pytest.raises(ValueError, match=r"expected Pakse \(013901\) once"):
        night.what_if(thresholds={"Pakse": {"alarm": 9.0}, "013901": {"alarm": 10.0}})


def test_times_of_rules_are_hours() -> None:
    assert _check_rules({"stale": 12, "forget": timedelta(days=1), "lower_m": 0.3}) == {
        "stale": timedelta(hours=12), "forget": timedelta(days=1), "lower_m": 0.3,
    }  # fmt: skip


def fan(*middles_m: float) -> pd.DataFrame:
    """Forecast of Pakse whose highest stage is uniform over a metre from each middle less 0.5."""
    return pd.DataFrame(
        {
            "station": "013901", "lead_days": range(1, len(middles_m) + 1),
            "highest_m": [{name: m - 0.5 + p for name, p in HIGHEST.items()} for m in middles_m],
            "p_alarm_by": 0.4, "p_flood_by": 0.1,
        }
    )  # fmt: skip


def test_the_probability_of_a_stage_is_read_from_the_quantiles() -> None:
    assert _exceed(fan(10.0, 10.2, 10.0), 10.25) == pytest.approx([0.25, 0.45, 0.45])
    assert _exceed(fan(10.0), 9.0) == [1.0]
    assert _exceed(fan(10.0), 11.0) == [0.0]
    assert np.isnan(_exceed(fan(10.0).drop(columns="highest_m"), 10.0)).all()


def test_probabilities_of_two_stages_do_not_cross() -> None:
    gauge = places.station("013901")
    rows = _reach_stages(fan(10.0), {"013901": (gauge, frozenset({"alarm"}))})
    assert rows["p_alarm_by"].tolist() == [0.1], "at least that of the flood stage, as issued"
    low = {"013901": (gauge, frozenset({"alarm", "flood"}))}
    rows = _reach_stages(fan(11.75), low)
    assert rows[["p_alarm_by", "p_flood_by"]].iloc[0].tolist() == pytest.approx([1.0, 0.25])
