"""``watch.json``: what it holds, by its schema, and that it is small whatever was seen."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from pipeline.geography import places
from pipeline.watch.rain import RecentRain
from pipeline.watch.watch_file import MOST_BYTES, Seen, write_watch
from tests.exchange.schema_cases import find_faults
from tests.watch.seen_cases import CHANGE, HEAVY, NOTHING, NOW, raised, watched


def read(seen: Seen) -> dict[str, Any]:
    content = write_watch(seen)
    assert len(content) <= MOST_BYTES
    document: dict[str, Any] = json.loads(content)
    assert find_faults(document, "watch") == []
    return document


def test_what_was_not_seen_is_named_and_nothing_is_said_of_it() -> None:
    document = read(replace(NOTHING, rivers={"011901": watched(9.0, read=False)}))
    assert document["rain"]["unknown"] == ["pakse"]
    assert document["rain"]["heavy"] == []
    assert document["gauges"] == {"last": None, "over_alarm": [], "unknown": ["011901"]}
    assert document["sudden"] is None
    assert document["expires_at"] == "2026-03-01T08:15:00Z"


def test_heavy_rain_marks_and_sudden_change_are_told() -> None:
    rivers = {"011901": watched(11.62), "013901": watched(12.1, code="013901")}
    seen = replace(NOTHING, rain={"pakse": HEAVY}, rivers=rivers, sudden=[CHANGE])
    document = read(replace(seen, raised=[raised("pakse", "watch"), raised("kratie", "warning")]))
    assert document["rain"]["heavy"] == [
        {"city": "pakse", "mm": 82, "hours": 3, "years": 12.3, "until": "2026-03-01T06:00:00Z",
         "product": "gk2a"}
    ]  # fmt: skip
    assert [row["mark"] for row in document["gauges"]["over_alarm"]] == ["alarm", "flood"]
    (sudden,) = document["sudden"]
    assert (sudden["change_m"], sudden["record_m"], sudden["stage_m"]) == (0.71, 0.2, 2.35)
    assert sudden["downstream"][0] == {
        "station": "011201", "from": "2026-03-02T17:15:00Z", "to": "2026-03-03T06:15:00Z",
    }  # fmt: skip
    assert [row["city"] for row in document["raised"]] == ["kratie", "pakse"]
    assert "dam" not in json.dumps(document)


def test_a_reading_in_doubt_or_of_the_night_is_not_told_as_over_a_mark() -> None:
    assert (
        read(replace(NOTHING, rivers={"011901": watched(12.9, read=False)}))["gauges"]["over_alarm"]
        == []
    )
    doubted = replace(watched(12.9), read_at=NOW)
    assert replace(NOTHING, rivers={"011901": doubted}).over_mark() == []


def test_of_too_much_the_mildest_is_left_out_and_counted() -> None:
    cities, gauges = list(places.cities()), list(places.stations())
    everything = replace(
        NOTHING,
        rain={city: replace(HEAVY, years=2.0 + number) for number, city in enumerate(cities)},
        rivers={code: watched(99.0, code=code) for code in gauges},
        sudden=[replace(CHANGE, station=code) for code in gauges],
        raised=[raised(city, "emergency") for city in cities[:5]],
    )
    document = read(everything)
    assert len(document["raised"]) == 5
    assert document["left_out"] > 20
    over = len(everything.over_mark())
    shown = len(document["sudden"]) + len(document["gauges"]["over_alarm"])
    shown += len(document["rain"]["heavy"])
    assert shown + document["left_out"] == len(gauges) + over + len(cities)


def test_blindness_is_never_left_out() -> None:
    blind = replace(
        NOTHING,
        rain=dict.fromkeys(places.cities(), RecentRain()),
        rivers={code: watched(math.nan, read=False, code=code) for code in places.stations()},
        sudden=[replace(CHANGE, station=code) for code in places.stations()],
        missing=["gk2a: no route to host"],
    )
    document = read(blind)
    assert document["rain"]["unknown"] == sorted(places.cities())
    assert document["gauges"]["unknown"] == sorted(places.stations())


def test_what_can_not_be_small_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at most 4096 bytes"):
        write_watch(replace(NOTHING, missing=["x" * 5000]))
