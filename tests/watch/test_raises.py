"""Levels that are raised between nights: in whose chain, by which rules, and what never happens."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from lxml import etree

from pipeline import steps
from pipeline.alerts.cap import message_path
from pipeline.exchange.tree import proof_path
from pipeline.issuance.snapshot import open_stores
from pipeline.watch.rain import RecentRain
from pipeline.watch.raises import Raised, find_raises
from tests.scenarios.nights import text
from tests.watch.watch_cases import FIRST, NIGHT, SECOND, TOMORROW, Basin, at, refers


def test_a_reading_above_alarm_stage_begins_an_event(basin: Basin) -> None:
    assert (basin.facts()["level"], basin.chain()) == ("unknown", [])
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    done = basin.watch(at(2))
    assert (done.follows, done.raised, done.datum_minutes) == ("2026-08-20T00:30Z", (FIRST,), 15)
    assert done.over_mark == ("011901",)
    facts, (message,) = basin.facts(), basin.chain()
    assert (facts["level"], facts["change"], facts["identifier"]) == ("warning", "new", FIRST)
    assert (facts["stage_m"], facts["stage_time"]) == (11.7, "2026-08-20T02:00:00Z")
    assert facts["reasons"] == ["seen_alarm_rising"]
    assert (message["msgType"], message["status"], message["references"]) == (
        "Alert", "Exercise", None,
    )  # fmt: skip
    tree = basin.tree()
    assert {message_path(FIRST), proof_path(FIRST), "sms/due/lo.txt"} <= set(tree)
    assert b"vientiane-flood\n" in tree["sms/due/lo.txt"]
    events = [each["event"] for each in json.loads(tree["say/lo.json"])["messages"]]
    assert events == ["vientiane-flood"]
    assert FIRST.encode() in tree["feed.xml"]
    (row,) = basin.seen()["raised"]
    assert (row["city"], row["level"], row["identifier"]) == ("vientiane", "warning", FIRST)


def test_the_next_night_lowers_by_its_own_rules(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    basin.read([(at(5, 0), 11.1), (at(12, 0), 10.4), (at(23, 0), 10.0)], asof=TOMORROW)
    basin.night(TOMORROW)
    before = basin.records.raises(NIGHT, 0)[0]["memory"]
    assert before["level"] == "warning"
    assert before["observed_since"] == {"warning": "2026-08-20T02:15:00+00:00"}
    assert basin.facts()["level_in_force"] == "warning", "without a forecast nothing is lowered"
    assert refers(basin.chain()) == [[], [FIRST]]


def test_nothing_is_lowered_and_nothing_sent_twice(basin: Basin) -> None:
    basin.read([(at(1, 0), 12.2), (at(2, 0), 12.7)], asof=at(2))
    assert len(basin.watch(at(2)).raised) == 1
    tree, seen = basin.tree(), basin.seen()
    assert basin.watch(at(2)).raised == ()
    assert (basin.tree(), basin.seen()) == (tree, seen)
    basin.read([(at(3, 0), 11.6), (at(4, 0), 10.2)], asof=at(4))
    assert basin.watch(at(4)).raised == ()
    assert basin.tree() == tree
    assert basin.facts()["level"] == "emergency"
    assert basin.seen()["gauges"]["over_alarm"] == []


def test_a_watch_beside_a_night_in_work_stays_in_its_chain(basin: Basin) -> None:
    steps.forecast(asof=TOMORROW, settings=basin.settings, made=TOMORROW)
    moment = TOMORROW + timedelta(minutes=15)
    basin.read([(TOMORROW + timedelta(minutes=5), 12.8)], asof=moment)
    done = basin.watch(moment)
    assert (done.follows, len(done.raised)) == ("2026-08-20T00:30Z", 1)
    steps.publish(asof=TOMORROW, settings=basin.settings)
    facts, chain = basin.facts(), basin.chain()
    assert facts["level_in_force"] == "emergency", "the night knows less than the watch"
    assert facts["stage_m"] == 10.0
    assert facts["identifier"] == "mekong-20260821T0030Z-vientiane-flood-r0"
    assert refers(chain) == [[], [done.raised[0]]]
    assert chain[0]["sent"] == chain[1]["sent"], "never sent before what it follows"


def test_a_revision_of_the_night_keeps_what_was_raised_after_it(basin: Basin) -> None:
    basin.read([(at(1, 0), 12.2), (at(2, 0), 12.7)], asof=at(2))
    basin.watch(at(2))
    basin.read([(NIGHT - timedelta(hours=3), 9.8)], code="013901", asof=NIGHT)
    basin.night(made=at(5))
    facts, chain = basin.facts(), basin.chain()
    assert basin.records.run(NIGHT)["revision"] == 1
    assert facts["level_in_force"] == "emergency"
    assert facts["stage_m"] == 10.0, "what the night knew"
    assert refers(chain) == [[], [FIRST]]
    assert facts["identifier"] == "mekong-20260820T0030Z-vientiane-flood-r1"


def test_a_withdrawn_message_is_raised_again_by_a_later_reading_alone(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    steps.cancel(FIRST, why="Wrong gauge", asof=at(2, 40), settings=basin.settings)
    assert basin.facts()["level"] == "unknown"
    assert basin.facts()["reasons"] == ["cancelled"]
    assert basin.watch(at(3)).raised == ()
    assert basin.facts()["level"] == "unknown"
    basin.read([(at(3, 0), 11.8), (at(4, 0), 11.9)], asof=at(4))
    assert basin.watch(at(4)).raised == (SECOND,)
    assert (basin.facts()["level"], basin.facts()["change"]) == ("warning", "new")


def test_the_chain_goes_on_from_night_to_watch_to_night(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    basin.read([(at(3, 0), 12.1), (at(4, 0), 12.6)], asof=at(4))
    assert basin.watch(at(4)).raised == (SECOND,)
    basin.read([(at(10, 0), 12.4), (at(18, 0), 11.6), (at(23, 0), 11.45)], asof=TOMORROW)
    basin.night(TOMORROW)
    facts, chain = basin.facts(), basin.chain()
    night = "mekong-20260821T0030Z-vientiane-flood-r0"
    assert [row["identifier"] for row in chain] == [FIRST, SECOND, night]
    assert [row["msgType"] for row in chain] == ["Alert", "Update", "Update"]
    assert refers(chain) == [[], [FIRST], [FIRST, SECOND]]
    assert len({row["incidents"] for row in chain}) == 1
    assert facts["level_in_force"] == "emergency", "one quiet night lowers nothing by these rules"
    assert facts["change"] == "unassessed"


def rained(basin: Basin, years: float, **cities: float) -> list[Raised]:
    """Raises after 82 mm in three hours over cities, or of other return periods."""
    rain = {
        city: RecentRain(years=of_city, depth_mm=81.6, hours=3, until=at(3, 0), product="gk2a")
        for city, of_city in ({"siem_reap": years} | cities).items()
    }
    snapshot = open_stores(basin.settings, asof=at(3))
    run = basin.records.run(NIGHT)
    seen = {name: run[name] for name in ("snapshot", "batch", "rules", "code")} | {"since": []}
    return find_raises(snapshot, run, seen=seen, rivers={}, rain=rain, settings=basin.settings)


def test_heavy_rain_raises_to_a_watch_that_tells_its_hours(basin: Basin) -> None:
    (raised,) = rained(basin, 12.3)
    assert (raised.decision.city.id, raised.decision.level) == ("siem_reap", "watch")
    assert raised.datum == at(3, 0)
    message = etree.fromstring(raised.message.content)
    assert "82 mm of rain fell within 3 h, as much as once in 12 years." in text(
        message, "info/description"
    )
    assert text(message, "msgType") == "Alert"
    assert raised.row["facts"]["reasons"] == ["rain"]
    assert raised.row["facts"]["rain_tier"] == "gk2a"


@pytest.mark.parametrize("years", [4.9, float("nan")])
def test_other_rain_raises_nothing(basin: Basin, years: float) -> None:
    assert rained(basin, years) == []


def test_each_city_has_its_own(basin: Basin) -> None:
    raised = rained(basin, 2.0, pakse=7.0, battambang=80.0)
    assert sorted(each.decision.city.id for each in raised) == ["battambang", "pakse"]
