"""Which columns a gauge's regression has, by the place of each gauge and the rain at hand."""

from __future__ import annotations

import pandas as pd

from models.stage.columns import WET_MONTH, list_columns, unit_names
from models.stage.neighbours import Neighbours

TABLE = pd.DataFrame(
    columns=[
        "season:0", "season:1", "tide:0", "rain:a:0", "rain:a:1", "wet:a", "soil:a", "rain:b:0",
    ]
)  # fmt: skip


def columns(station: str = "013402", **neighbours: tuple[str, ...]) -> dict[str, str]:
    """Group of each column by its name."""
    return dict(list_columns(Neighbours(station, **neighbours), TABLE))


def test_products_come_last() -> None:
    products = ["*" in name for name in columns(upstream=("013101",), units=("a",))]
    assert products == sorted(products)


def test_a_gauge_alone_has_its_own_columns_and_the_season() -> None:
    groups = columns()
    assert set(groups.values()) == {"own_trend", "season"}
    assert {"change:013402:0", "change:013402:4", "level:013402", "since:013402:45"} <= set(groups)
    assert groups["level:013402*season:5"] == "own_trend"
    assert not any(name.startswith("tide") for name in groups), "Mukdahan feels no tide"
    assert columns("019803")["tide:0"] == "tide", "Tan Chau does"


def test_near_gauges_have_more_columns_than_far_ones() -> None:
    upstream = ("a1", "a2", "a3", "a4")
    groups = columns(upstream=upstream, tributaries=("t1",))
    counts = {
        gauge: sum(name.split(":")[1] == gauge for name in groups) for gauge in (*upstream, "t1")
    }
    assert counts["a1"] == counts["a2"] > counts["a3"] > counts["a4"] == counts["t1"] == 6
    assert groups["level:a3"] == groups["change:t1:3"] == "upstream"
    assert "since:a2:30" in groups, "a recession is recognised by weeks before"
    assert "since:a3:30" not in groups
    assert "change:t1:0*level:013402" in groups


def test_the_next_gauge_downstream_is_own_evidence() -> None:
    groups = columns(downstream=("d1",))
    assert {name: group for name, group in groups.items() if ":d1" in name} == dict.fromkeys(
        ("change:d1:0", "change:d1:1", "rise:d1", "level:d1"), "own_trend"
    )


def test_rain_of_more_than_a_week_ago_is_wetness() -> None:
    groups = columns(units=("a",))
    assert groups["mean:5:7"] == groups["rain:a:0"] == "rain"
    assert groups["mean:7:10"] == groups["wet:a"] == groups["soil:a"] == "wetness"
    assert groups[f"mean:0:1*{WET_MONTH}"] == "rain"
    assert not any(name.startswith("mean:7:10*") for name in groups), "wetness has no products"
    assert "rain" not in columns().values()


def test_units_have_the_features_of_the_table() -> None:
    assert unit_names(TABLE, ["a", "b", "c"]) == [
        "rain:a:0", "rain:a:1", "rain:b:0", "wet:a", "soil:a",
    ]  # fmt: skip
