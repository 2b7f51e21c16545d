"""Samples as a strict reader of Prometheus' text form takes them, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline.supervision.metrics import write_metrics

HEALTH: dict[str, Any] = {
    "asof": "2026-08-20T02:00:00Z",
    "state": "degraded",
    "last_good_night": {"issue_time": "2026-08-20T00:30:00Z", "age_hours": 1.5},
    "dead_man": {"limit_hours": 26.0, "due_by": "2026-08-21T02:30:00Z", "over": False},
    "to_do": [{"urgency": "wake"}, {"urgency": "tomorrow"}, {"urgency": "tomorrow"}],
    "sources": [
        {"source": "gauges", "age_hours": 1.5, "usual_hours": 12.0},
        {"source": "smap", "age_hours": None, "usual_hours": 84.0},
    ],
    "tiers": {"full": 23},
    "alerts": {"flood": {"watch": 2}},
    "disk": {"free_bytes": 10, "total_bytes": 30},
    "versions": {"pipeline": "0.1.0", "airflow": None, "published": 'a"\\b'},
    "not_known": ["disk: OSError"],
}
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


def parse(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Parse the text form as its specification says, with every rule of order and of escapes."""
    assert text.endswith("\n")
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    helped, typed, current = set[str](), set[str](), ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, words = line.removeprefix("# HELP ").split(" ", 1)
            assert name not in helped
            assert words
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert kind == "gauge"
            assert name not in typed
            typed.add(name)
            current = name
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            name, inner, value = match.groups()
            assert name == current, "the samples of a metric stand together, after its type"
            labels = [(m[1], m[2]) for m in _LABEL.finditer(inner or "")]
            assert sum(len(m[0]) for m in _LABEL.finditer(inner or "")) == len(inner or ""), line
            key = name, tuple(labels)
            assert len({label for label, _ in labels}) == len(labels)
            assert key not in samples
            samples[key] = float(value)
    assert helped == typed == {name for name, _ in samples}
    return samples


def test_each_sample_is_what_the_state_says() -> None:
    samples = parse(write_metrics(HEALTH))
    plain = {name: value for (name, labels), value in samples.items() if not labels}
    assert plain == {
        "mekong_health_timestamp_seconds": 1787191200.0,
        "mekong_last_good_night_timestamp_seconds": 1787185800.0,
        "mekong_dead_man_limit_seconds": 93600.0,
        "mekong_not_known": 1.0,
        "mekong_disk_free_bytes": 10.0,
        "mekong_disk_size_bytes": 30.0,
    }
    assert samples["mekong_health_state", (("state", "degraded"),)] == 1.0
    assert samples["mekong_health_state", (("state", "fine"),)] == 0.0
    assert samples["mekong_source_age_seconds", (("source", "gauges"),)] == 5400.0
    assert samples["mekong_source_usual_age_seconds", (("source", "smap"),)] == 302400.0
    assert samples["mekong_gauged_cities", (("tier", "full"),)] == 23.0
    assert samples["mekong_cities", (("hazard", "flood"), ("level", "watch"))] == 2.0
    assert samples["mekong_to_do", (("urgency", "wake"),)] == 1.0
    assert samples["mekong_to_do", (("urgency", "tomorrow"),)] == 2.0
    versions = (("pipeline", "0.1.0"), ("published", r"a\"\\b"))
    assert samples["mekong_versions_info", versions] == 1.0


def test_what_is_not_known_has_no_sample() -> None:
    samples = parse(write_metrics(HEALTH))
    assert ("mekong_source_age_seconds", (("source", "smap"),)) not in samples
    nothing = HEALTH | dict.fromkeys(["last_good_night", "sources", "tiers", "alerts", "disk"])
    names = {name for name, _ in parse(write_metrics(nothing))}
    assert names == {
        "mekong_health_state", "mekong_health_timestamp_seconds", "mekong_dead_man_limit_seconds",
        "mekong_to_do", "mekong_not_known", "mekong_versions_info",
    }  # fmt: skip


@pytest.mark.parametrize("part", ["notices: BrokenState", "published tree: ValueError"])
def test_what_is_to_do_is_no_number_where_a_part_of_it_is_not_known(part: str) -> None:
    samples = parse(write_metrics(HEALTH | {"not_known": [part]}))
    assert "mekong_to_do" not in {name for name, _ in samples}


@pytest.mark.parametrize("text", ["a", "a{b=c} 1\n", "x 1\n", "# TYPE x gauge\nx 1\nx 1\n"])
def test_the_reader_is_strict(text: str) -> None:
    with pytest.raises(AssertionError):
        parse(text)
