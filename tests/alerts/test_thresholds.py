"""Thresholds of the levels: those of the project until a row of one of two tables differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import rules_for, threshold
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.geography.reference_tables import BadReference
from pipeline.settings import REFERENCE
from tests.alerts.alert_cases import CITY, DRY, RULES, STATION, T0, ramp, river
from tests.conftest import LayOver

COSTS = "city,level,quantity,value,unit,source,as_of,verified"
RULE = "city,rule,value,unit,source,as_of,verified"
DAY = f"{T0:%Y-%m-%d}"


@pytest.mark.parametrize("region", ["mekong", "asean"])
def test_every_city_has_the_thresholds_of_the_project(region: Region) -> None:
    for city in (EVERY_CITY, *places.cities(region)):
        for asof in (None, T0, T0.replace(year=2012)):
            assert rules_for(city, asof=asof) == RULES


@pytest.mark.parametrize(("name", "head"), [("cost_loss.csv", COSTS), ("alert_rules.csv", RULE)])
def test_every_figure_has_its_provenance(name: str, head: str) -> None:
    first, *rows = (REFERENCE / name).read_text(encoding="utf-8").splitlines()
    assert first == head
    assert all(row.endswith(",2026,M") for row in rows)
    assert {row.split(",")[0] for row in rows} <= {EVERY_CITY, *places.cities()}


def test_no_threshold_stands_in_both_tables() -> None:
    rows = (REFERENCE / "alert_rules.csv").read_text(encoding="utf-8").splitlines()[1:]
    names = [row.split(",")[1] for row in rows]
    assert len(names) == len(set(names)) == 14
    assert not [name for name in names if "_p_" in name], "these come from cost_loss.csv"


def test_the_ratio_or_the_budget_whichever_asks_for_more(lay_over: LayOver) -> None:
    lay_over(
        "cost_loss.csv",
        COSTS,
        "vientiane,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "vientiane,warning,cost_loss_ratio,0.55,1,the city,2026,M",
        "pakse,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "pakse,watch,false_alarm_budget,0.90,1,the city,2026,M",
    )
    # Vientiane acts for a tenth of the loss, but no more than 3 in 4 warnings may be false.
    assert threshold("vientiane", "watch") == 0.25
    assert threshold("vientiane", "warning") == 0.55
    assert threshold("pakse", "watch") == pytest.approx(0.10)
    assert rules_for("kratie", asof=None) == RULES


def test_a_city_is_warned_by_its_own_threshold_from_its_day_on(lay_over: LayOver) -> None:
    lay_over(
        "cost_loss.csv",
        COSTS,
        f"vientiane,watch,cost_loss_ratio,0.10,1,the city,{DAY},M",
        f"vientiane,watch,false_alarm_budget,0.90,1,the city,{DAY},M",
    )
    p_alarm, p_flood = ramp(0.12, 0.0, 0.0)
    levels = [
        decide_flood(
            CITY,
            issue_time=T0,
            station=STATION,
            rain=DRY,
            state=None,
            rules=rules_for("vientiane", asof=asof),
            river=river(p_alarm=p_alarm, p_flood=p_flood),
        ).level
        for asof in (T0 - timedelta(days=1), T0, None)
    ]
    assert levels == [Level.NONE, Level.WATCH, Level.WATCH]


def test_a_rule_of_a_city_counts_there_alone_and_from_its_day_on(lay_over: LayOver) -> None:
    lay_over(
        "alert_rules.csv",
        RULE,
        f"pakse,watch_rain_years,10,year,the city,{DAY},M",
        f"pakse,stale,36,h,the city,{DAY},M",
        f"default,raise_runs,3,run,the agency,{DAY},M",
    )
    everywhere = replace(RULES, raise_runs=3)
    own = replace(everywhere, watch_rain_years=10.0, stale=timedelta(hours=36))
    assert rules_for("pakse", asof=T0) == own
    assert rules_for("kratie", asof=T0) == everywhere
    assert rules_for("pakse", asof=T0 - timedelta(days=1)) == RULES


@pytest.mark.parametrize(
    ("name", "head", "row", "expected"),
    [
        ("cost_loss.csv", COSTS, "pakse,watch,cost_loss_ratio,25,1,x,2026,M",
         "a number above 0 below 1, found '25'"),
        ("cost_loss.csv", COSTS, "pakse,alarm,cost_loss_ratio,0.2,1,x,2026,M", "found 'alarm'"),
        ("cost_loss.csv", COSTS, "nowhere,watch,cost_loss_ratio,0.2,1,x,2026,M",
         "found 'nowhere'"),
        ("alert_rules.csv", RULE, "pakse,lower_factor,6,1,x,2026,M",
         "a number from 0 to 1 for lower_factor, found '6'"),
        ("alert_rules.csv", RULE, "pakse,watch_p_alarm_7d,0.2,1,x,2026,M",
         "found 'watch_p_alarm_7d'"),
    ],
)  # fmt: skip
def test_a_bad_row_stops_every_reader(
    lay_over: LayOver, name: str, head: str, row: str, expected: str
) -> None:
    lay_over(name, head, row)
    with pytest.raises(BadReference, match=expected):
        rules_for("pakse", asof=None)
