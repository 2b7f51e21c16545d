"""The state of the nights in Prometheus' text form, for a collector of text files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

STATES = ("fine", "degraded", "failing", "unknown")
_HELP = {
    "mekong_health_state": "1 for the state of the nights, 0 for the others.",
    "mekong_health_timestamp_seconds": "When the state was found out.",
    "mekong_last_good_night_timestamp_seconds": "Issue time of the last good night.",
    "mekong_dead_man_limit_seconds": "Age of the last good night above which somebody is woken.",
    "mekong_source_age_seconds": "Age of the newest datum of a source.",
    "mekong_source_usual_age_seconds": "Its usual age just before the next one comes.",
    "mekong_gauged_cities": "Cities with a gauge by the tier of their river forecast.",
    "mekong_cities": "Cities by hazard and published level.",
    "mekong_to_do": "What waits for a person, by urgency.",
    "mekong_not_known": "Parts of the state that could not be found out.",
    "mekong_disk_free_bytes": "Room on the disk of the data folder.",
    "mekong_disk_size_bytes": "Size of that disk.",
    "mekong_versions_info": "Versions of what runs and of what is published.",
}
"""Every metric, all gauges, and its help."""

Sample = tuple[str, dict[str, str], float]
"""Name, labels and value."""


def write_metrics(health: Mapping[str, Any]) -> str:
    """Write the metrics of a state; what is not known has no sample, and is never 0.

    Parameters
    ----------
    health
        As of :func:`pipeline.supervision.health.observe_health`.
    """
    samples = list(_list_samples(health))
    lines = []
    for name, text in _HELP.items():
        own = [(labels, value) for other, labels, value in samples if other == name]
        if own:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
            lines += [f"{name}{_write_labels(labels)} {value!r}" for labels, value in own]
    return "\n".join(lines) + "\n"


def _list_samples(health: Mapping[str, Any]) -> Iterator[Sample]:
    for state in STATES:
        yield "mekong_health_state", {"state": state}, float(health["state"] == state)
    yield "mekong_health_timestamp_seconds", {}, _seconds(health["asof"])
    if health["last_good_night"] is not None:
        moment = _seconds(health["last_good_night"]["issue_time"])
        yield "mekong_last_good_night_timestamp_seconds", {}, moment
    yield "mekong_dead_man_limit_seconds", {}, health["dead_man"]["limit_hours"] * 3600.0
    for row in health["sources"] or ():
        label = {"source": row["source"]}
        if row["age_hours"] is not None:
            yield "mekong_source_age_seconds", label, row["age_hours"] * 3600.0
        yield "mekong_source_usual_age_seconds", label, row["usual_hours"] * 3600.0
    for tier, number in (health["tiers"] or {}).items():
        yield "mekong_gauged_cities", {"tier": tier}, float(number)
    for hazard, levels in (health["alerts"] or {}).items():
        for level, number in levels.items():
            yield "mekong_cities", {"hazard": hazard, "level": level}, float(number)
    for urgency in ("wake", "tomorrow") if knows_to_do(health) else ():
        number = sum(row["urgency"] == urgency for row in health["to_do"])
        yield "mekong_to_do", {"urgency": urgency}, float(number)
    yield "mekong_not_known", {}, float(len(health["not_known"]))
    if health["disk"] is not None:
        yield "mekong_disk_free_bytes", {}, float(health["disk"]["free_bytes"])
        yield "mekong_disk_size_bytes", {}, float(health["disk"]["total_bytes"])
    versions = {name: text for name, text in health["versions"].items() if text is not None}
    yield "mekong_versions_info", versions, 1.0


def knows_to_do(health: Mapping[str, Any]) -> bool:
    """Whether all that a state lists to do is known: the notices, and what the tree tells."""
    parts = {line.partition(":")[0] for line in health["not_known"]}
    return not parts & {"notices", "published tree"}


def _seconds(moment: str) -> float:
    """Seconds since 1970 of a moment."""
    return datetime.fromisoformat(moment).timestamp()


def _write_labels(labels: Mapping[str, str]) -> str:
    r"""Write labels in their order; values are escaped.

    Examples
    --------
    >>> print(_write_labels({"tier": 'a"b'}), _write_labels({}) == "")
    {tier="a\"b"} True
    """
    if not labels:
        return ""
    parts = []
    for name, value in labels.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        parts.append(f'{name}="{escaped}"')
    return "{" + ",".join(parts) + "}"
