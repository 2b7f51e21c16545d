from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import DEFAULT, rules_for, threshold
from pipeline.geography import places
from pipeline.geography.reference_tables import BadReference
from pipeline.settings import REFERENCE
from tests.alerts.alert_cases import CITY, DRY, STATION, T0, ramp, river
from tests.conftest import LayOver

FILE = REFERENCE / "cost_loss.csv"
HEAD = "city,level,quantity,value,unit,source,as_of,verified"


def test_until_a_city_states_its_own_nothing_changes() -> None:
    for city in places.cities():
        assert rules_for(city) == DEFAULT


def test_every_figure_has_its_provenance() -> None:
    head, *rows = FILE.read_text(encoding="utf-8").splitlines()
    assert head == HEAD
    assert all(row.endswith(",2026,M") for row in rows)
    assert {row.split(",")[0] for row in rows} <= {"default", *places.cities()}


def test_the_ratio_or_the_budget_whichever_asks_for_more(lay_over: LayOver) -> None:
    lay_over(
        "cost_loss.csv",
        HEAD,
        "vientiane,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "vientiane,warning,cost_loss_ratio,0.55,1,the city,2026,M",
        "pakse,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "pakse,watch,false_alarm_budget,0.90,1,the city,2026,M",
    )
    # Vientiane acts for a tenth of the loss, but no more than 3 in 4 warnings may be false.
    assert threshold("vientiane", "watch") == 0.25
    assert threshold("vientiane", "warning") == 0.55
    assert threshold("pakse", "watch") == pytest.approx(0.10)
    assert rules_for("kratie") == DEFAULT


def test_a_city_is_warned_by_its_own_threshold_from_its_day_on(lay_over: LayOver) -> None:
    lay_over(
        "cost_loss.csv",
        HEAD,
        f"vientiane,watch,cost_loss_ratio,0.10,1,the city,{T0:%Y-%m-%d},M",
        f"vientiane,watch,false_alarm_budget,0.90,1,the city,{T0:%Y-%m-%d},M",
    )
    p_alarm, p_flood = ramp(0.12, 0.0, 0.0)
    found = [
        decide_flood(
            CITY, issue_time=T0, station=STATION, rain=DRY, state=None, rules=rules,
            river=river(p_alarm=p_alarm, p_flood=p_flood),
        ).level
        for rules in (rules_for("vientiane", asof=T0 - timedelta(days=1)),
                      rules_for("vientiane", asof=T0), rules_for("vientiane"))
    ]  # fmt: skip
    assert found == [Level.NONE, Level.WATCH, Level.WATCH]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("pakse,watch,cost_loss_ratio,25,1,x,2026,M", "a number above 0 below 1, found '25'"),
        ("pakse,alarm,cost_loss_ratio,0.2,1,x,2026,M", "found 'alarm'"),
        ("nowhere,watch,cost_loss_ratio,0.2,1,x,2026,M", "found 'nowhere'"),
    ],
)
def test_what_is_wrong_is_said(lay_over: LayOver, row: str, said: str) -> None:
    lay_over("cost_loss.csv", HEAD, row)
    with pytest.raises(BadReference, match=said):
        threshold("pakse", "watch")
