"""The published tree opened as a stranger would, by its formats alone: JSON, CSV, CAP, digests.

Nothing here uses what wrote the tree; what is found wrong is told, and the tree stays.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.exchange.keys import PublicKeys
from pipeline.exchange.signatures import BadSignature
from pipeline.exchange.tree_check import verify_tree
from pipeline.supervision.run_book import RUN_BOOK, Entry, Urgency

CAP = "urn:oasis:names:tc:emergency:cap:1.2"
CLOCKS_APART = timedelta(minutes=10)
"""Issue times so far ahead of now are of clocks that differ a little."""
MOST_UNKNOWN = {"flood": 0.25, "drought": 0.5}
"""Share of cities that are UNKNOWN above which it is told: one dead gauge in twenty is common."""
MOST_FLOODS_UNKNOWN = 0.5
"""Share of floods UNKNOWN from which somebody is woken: without satellite rain it is 26 of 40."""
FEWEST = 5
"""Alerts by which two nights must differ before their numbers are compared."""
RISE = 3
"""Times as many alerts as a night before that are told; hysteresis lowers slowly, so half as many
are told already."""
NEIGHBOUR = timedelta(hours=36)
"""Longest time between two nights whose alerts are compared."""
MOST_NAMED = 3
_STAMP = re.compile(r"\d{8}T\d{4}Z")
_RAISED = frozenset({"watch", "warning", "emergency"})


@dataclass(frozen=True)
class Finding:
    """Something that is not right with the published tree.

    Parameters
    ----------
    code
        Code of the run book.
    text
        What was expected and what was found.
    """

    code: str
    text: str

    @property
    def entry(self) -> Entry:
        """Its line of the run book."""
        return RUN_BOOK[self.code]

    @property
    def urgency(self) -> Urgency:
        """How urgent it is."""
        return self.entry.urgency


@dataclass
class Inspection:
    """What a tree says, and what is not right with it.

    Parameters
    ----------
    version
        Version of the tree; None where none could be read, as for all below.
    issue_time, expires_at
        Of its index.
    index
        Its index.
    alerts
        Rows of its alerts, one per city and hazard.
    findings
        What is not right.
    """

    version: str | None = None
    issue_time: datetime | None = None
    expires_at: datetime | None = None
    index: dict[str, Any] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there is a tree and nothing that somebody is woken for."""
        return self.whole and all(finding.code != "tree_old" for finding in self.findings)

    @property
    def whole(self) -> bool:
        """Whether the tree was good on its night, however old it is now."""
        return self.issue_time is not None and all(
            finding.urgency != "wake" or finding.code == "tree_old" for finding in self.findings
        )


def inspect_published(
    published: Path,
    *,
    asof: datetime,
    oldest: datetime,
    cities: Collection[str],
    public: PublicKeys | None = None,
) -> Inspection:
    """Inspect the newest published tree.

    Parameters
    ----------
    published
        Folder of all published trees.
    asof
        Now, aware.
    oldest
        Issue time that the tree must have at least, aware.
    cities
        Ids of the cities that must be in it.
    public
        Keys of the signer; None where there are none to check by.

    Returns
    -------
    Inspection
        Also where nothing can be read: then with a finding that says so.
    """
    inspection = Inspection()
    try:
        folder = _open_tree(published, inspection)
    except (OSError, ValueError, LookupError, TypeError) as error:
        inspection.findings.append(Finding("tree_absent", f"{type(error).__name__}: {error}"))
        return inspection
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("tree_old", lambda: _check_age(inspection, asof=asof, oldest=oldest)),
        ("file_damaged", lambda: _check_files(folder, inspection.index)),
        ("file_damaged", lambda: _check_alerts(folder, inspection, cities)),
        ("message_damaged", lambda: _check_messages(folder, inspection)),
        ("levels_unknown", lambda: _check_unknown(inspection.alerts)),
        ("alerts_fell", lambda: _compare_night_before(published, inspection)),
        ("signature_wrong", lambda: _check_signature(published, inspection.index, public)),
    )
    for code, check in checks:
        try:
            inspection.findings += check()
        except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
            inspection.findings.append(Finding(code, f"{type(error).__name__}: {error}"))
    return inspection


def read_issue_time(published: Path) -> datetime | None:
    """Read the issue time of the newest tree; None where it cannot be read."""
    try:
        return _parse_moment(json.loads((published / "latest.json").read_bytes())["issue_time"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _open_tree(published: Path, inspection: Inspection) -> Path:
    """Open the version that ``latest.json`` names; raise where it cannot be read."""
    latest = json.loads((published / "latest.json").read_bytes())
    path = Path(latest["path"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"expected a path inside the folder, found {latest['path']!r}")
    folder = published / path
    content = (folder / "index.json").read_bytes()
    index = json.loads(content)
    inspection.version = str(index["version"])
    inspection.issue_time = _parse_moment(index["issue_time"])
    inspection.expires_at = _parse_moment(index["expires_at"])
    inspection.index = index
    digest = hashlib.sha256(content).hexdigest()
    if digest != latest["index_sha256"]:
        inspection.findings.append(
            Finding(
                "file_damaged",
                f"index.json: expected SHA-256 {latest['index_sha256']} of latest.json, "
                f"found {digest}",
            )
        )
    return folder


def _parse_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with its zone, found {text!r}")
    return moment.astimezone(UTC)


def _check_age(inspection: Inspection, *, asof: datetime, oldest: datetime) -> Iterator[Finding]:
    """Check that the tree is of this night and not of the future."""
    issued = inspection.issue_time
    if issued is None:
        return
    if issued < oldest:
        yield Finding(
            "tree_old", f"expected a tree of {oldest:%Y-%m-%d %H:%MZ} or later, found one of "
            f"{issued:%Y-%m-%d %H:%MZ}"
        )  # fmt: skip
    if issued > asof + CLOCKS_APART:
        yield Finding(
            "tree_future", f"expected a tree of {asof:%Y-%m-%d %H:%MZ} or earlier, found one of "
            f"{issued:%Y-%m-%d %H:%MZ}"
        )  # fmt: skip


def _name_some(code: str, faults: list[str]) -> Iterator[Finding]:
    """One finding for several faults of a kind."""
    if faults:
        more = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        yield Finding(code, "; ".join(faults[:MOST_NAMED]) + more)


def _check_files(folder: Path, index: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that every file of the index is there with its digest and can be read, and no other."""
    files = index["files"]
    quiet = not any(counts.get(level) for counts in index["levels"].values() for level in _RAISED)
    if not files:
        yield Finding("file_damaged", "index.json: expected files, found none")
    faults = []
    for name, entry in sorted(files.items()):
        path = folder / name
        if not path.is_file() or path.is_symlink():
            faults.append(f"{name}: expected a file, found none")
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            faults.append(f"{name}: expected {entry['bytes']} bytes of the digest in the index, "
                          f"found {len(content)} others")  # fmt: skip
        elif fault := _find_fault_of_format(name, content, quiet=quiet):
            faults.append(f"{name}: {fault}")
    yield from _name_some("file_damaged", faults)
    own = {"index.json", "index.json.sig"}
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    others = [f"{name}: expected no such file" for name in sorted(names - set(files) - own)]
    yield from _name_some("file_added", others)


def _find_fault_of_format(name: str, content: bytes, *, quiet: bool) -> str:
    """Say why a file cannot be read as what its name says; empty where it can.

    Texts for phones have no content where no event is open, and those that are due where none is.
    """
    try:
        if name.endswith((".json", ".geojson")):
            json.loads(content)
        elif name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
            if not rows or any(len(row) != len(rows[0]) for row in rows):
                return "expected rows as long as the heading, found others"
        elif name.endswith(".xml"):
            _parse_xml(content)
        elif not content and not (name.endswith(".txt") and (quiet or "/due/" in name)):
            return "expected content, found none"
    except (ValueError, csv.Error, etree.XMLSyntaxError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _parse_xml(content: bytes) -> etree._Element:
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def _check_alerts(
    folder: Path, inspection: Inspection, cities: Collection[str]
) -> Iterator[Finding]:
    """Check that every city is there with both hazards, and that the files say the same levels."""
    collection = json.loads((folder / "alerts.geojson").read_bytes())
    rows = [feature["properties"] for feature in collection["features"]]
    inspection.alerts = rows
    levels = {(row["city"], row["hazard"]): row["level"] for row in rows}
    wanted = {(city, hazard) for city in cities for hazard in ("flood", "drought")}
    absent = [f"{city}: no {hazard}" for city, hazard in sorted(wanted - levels.keys())]
    absent += [
        f"{city}: no cities/{city}.json"
        for city in sorted(cities)
        if not (folder / "cities" / f"{city}.json").is_file()
    ]
    yield from _name_some("city_absent", absent)
    with (folder / "alerts.csv").open(encoding="utf-8", newline="") as stream:
        table = {(row["city"], row["hazard"]): row["level"] for row in csv.DictReader(stream)}
    differ = [
        f"{city} {hazard}: {levels.get((city, hazard))} in alerts.geojson, "
        f"{table.get((city, hazard))} in alerts.csv"
        for city, hazard in sorted(levels.keys() | table.keys())
        if levels.get((city, hazard)) != table.get((city, hazard))
    ]
    counted = Counter((row["hazard"], row["level"]) for row in rows)
    for hazard, counts in inspection.index["levels"].items():
        differ += [
            f"{hazard} {level}: {number} in index.json, {counted[hazard, level]} in alerts.geojson"
            for level, number in counts.items()
            if counted[hazard, level] != number
        ]
    yield from _name_some("files_differ", differ)


def _check_messages(folder: Path, inspection: Inspection) -> Iterator[Finding]:
    """Check that each alert that names a message has it, as CAP 1.2 of the status of the tree."""
    faults = []
    wanted = {row["identifier"] for row in inspection.alerts if row["identifier"]}
    seen = set[str]()
    virtual = inspection.index["origin"] == "virtual"
    for path in sorted((folder / "cap").glob("*.xml")):
        if f"cap/{path.name}" not in inspection.index["files"]:
            faults.append(f"cap/{path.name}: expected messages of the index alone")
            continue
        try:
            alert = _parse_xml(path.read_bytes())
        except etree.XMLSyntaxError as error:
            faults.append(f"cap/{path.name}: {error}")
            continue
        text = {name: alert.findtext(f"{{{CAP}}}{name}") for name in ("identifier", "status")}
        if alert.tag != f"{{{CAP}}}alert" or alert.find(f"{{{CAP}}}info") is None:
            faults.append(f"cap/{path.name}: expected a CAP 1.2 message, found {alert.tag!r}")
        elif virtual and text["status"] != "Exercise":
            faults.append(f"cap/{path.name}: expected status Exercise, found {text['status']}")
        seen.add(str(text["identifier"]))
    faults += [f"{identifier}: no such message in cap/" for identifier in sorted(wanted - seen)]
    raised = [row for row in inspection.alerts if row["level"] in _RAISED]
    faults += [
        f"{row['city']} {row['hazard']}: {row['level']} without a message"
        for row in raised
        if not row["identifier"]
    ]
    yield from _name_some("message_damaged", faults)


def _check_unknown(alerts: list[dict[str, Any]]) -> Iterator[Finding]:
    """Check that not too many cities are UNKNOWN."""
    for hazard, most in MOST_UNKNOWN.items():
        levels = [row["level"] for row in alerts if row["hazard"] == hazard]
        unknown = levels.count("unknown")
        if unknown > most * len(levels):
            much = hazard == "flood" and unknown >= MOST_FLOODS_UNKNOWN * len(levels)
            yield Finding(
                "floods_unknown" if much else "levels_unknown",
                f"{hazard}: {unknown} of {len(levels)} cities are UNKNOWN",
            )


def _compare_night_before(published: Path, inspection: Inspection) -> Iterator[Finding]:
    """Compare the number of alerts in force with that of the night before."""
    issued = inspection.issue_time
    if issued is None or not inspection.alerts:
        return
    stamp = f"{issued:%Y%m%dT%H%MZ}"
    nights = [path.name for path in published.iterdir() if _STAMP.fullmatch(path.name)]
    before = max((name for name in nights if name[:8] < stamp[:8]), default=None)
    if before is None:
        return
    moment = datetime.strptime(before, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    if issued - moment > NEIGHBOUR:
        return
    collection = json.loads((published / before / "alerts.geojson").read_bytes())
    earlier = sum(
        feature["properties"]["level_in_force"] in _RAISED for feature in collection["features"]
    )
    now = sum(row["level_in_force"] in _RAISED for row in inspection.alerts)
    line = f"{now} alerts in force, {earlier} in the night of {moment:%Y-%m-%d}"
    if earlier - now >= FEWEST and now <= earlier / 2:
        yield Finding("alerts_fell", line)
    if now - earlier >= 2 * FEWEST and now >= RISE * earlier:
        yield Finding("alerts_rose", line)


def _check_signature(
    published: Path, index: Mapping[str, Any], public: PublicKeys | None
) -> Iterator[Finding]:
    """Check the signatures where there are keys, and say where there are none for a signed tree."""
    if public is None:
        if index.get("signed_by"):
            yield Finding("signature_unchecked", f"signed by {', '.join(index['signed_by'])}")
        elif index["origin"] != "virtual":
            yield Finding("signature_wrong", "expected a signed tree of measured data, found none")
        return
    try:
        verify_tree(published, public)
    except BadSignature as error:
        yield Finding("signature_wrong", str(error))
