"""The index of a published tree, and ``latest.json``, which names the newest tree."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from pipeline.alerts.decision import Decision
from pipeline.alerts.facts import LIFETIME
from pipeline.alerts.levels import Level
from pipeline.exchange.alert_files import dump_collection, dump_json, withdraw_facts, write_csv
from pipeline.exchange.issue import NEXT_EXPECTED
from pipeline.exchange.schema import SCHEMA_VERSION
from pipeline.remarks import Remark
from pipeline.times import format_utc

INDEX = "index.json"
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".html": "text/html",
    ".json": "application/json",
    ".nc": "application/netcdf",
    ".schema.json": "application/schema+json",
    ".txt": "text/plain",
    ".xml": "application/atom+xml",
}
"""Media type by the end of a file's name; CAP messages have their own."""


def write_index(
    decisions: Sequence[Decision],
    *,
    issue_time: datetime,
    revision: int,
    status: str,
    origin: str,
    inputs: Mapping[str, str],
    missing: Sequence[Remark],
    archive_snapshot: str,
    records_batch: int,
    model_version: str,
) -> bytes:
    """Write the index of a published tree, yet without its version and files.

    Parameters
    ----------
    decisions
        All decisions, for the counts per level.
    issue_time, revision
        The run.
    status, origin
        CAP status, and whether the inputs are virtual or measured.
    inputs
        Name of each input file to its SHA-256.
    missing
        Inputs that were expected and not there, or were bad.
    archive_snapshot, records_batch, model_version
        Versions that a replay names.
    """
    if origin == "virtual" and status != "Exercise":
        raise ValueError(f"expected status Exercise for virtual data, found {status}")
    levels = {
        hazard: {
            level.value: sum(
                decision.level is level and decision.hazard == hazard for decision in decisions
            )
            for level in Level
        }
        for hazard in ("flood", "drought")
    }
    return dump_json(
        {
            "schema_version": SCHEMA_VERSION,
            "version": None,
            "issue_time": format_utc(issue_time),
            "revision": revision,
            "status": status,
            "origin": origin,
            "next_expected_at": format_utc(issue_time + NEXT_EXPECTED),
            "expires_at": format_utc(issue_time + LIFETIME),
            "archive_snapshot": archive_snapshot,
            "records_batch": records_batch,
            "model_version": model_version,
            "levels": levels,
            "signed_by": [],
            "missing": [_describe_remark(remark) for remark in missing],
            "inputs": dict(sorted(inputs.items())),
            "files": {},
        }
    )


def complete_index(
    index: bytes, files: Mapping[str, bytes], *, signed_by: Sequence[str] = ()
) -> bytes:
    """Name the version of a tree in its index, and every other file with its digest.

    The version is made of the issue time, the revision and the digest of all files.

    Parameters
    ----------
    index
        From :func:`write_index`, or of a tree that was changed.
    files
        Content of every other file by its path.
    signed_by
        Fingerprints of the keys that sign the index.
    """
    document = json.loads(index)
    document |= {
        "version": None, "signed_by": list(signed_by), "files": describe_files(files),
    }  # fmt: skip
    digest = hashlib.sha256(dump_json(document)).hexdigest()[:16]
    moment = datetime.fromisoformat(document["issue_time"])
    document["version"] = f"{moment:%Y%m%dT%H%MZ}-r{document['revision']}-{digest}"
    return dump_json(document)


def write_latest(index: bytes) -> bytes:
    """Write ``latest.json`` for a tree with a complete index."""
    document = json.loads(index)
    kept = (
        "schema_version", "issue_time", "revision", "status", "origin", "next_expected_at",
        "expires_at", "version",
    )  # fmt: skip
    path = f"versions/{document['version']}"
    return dump_json(
        {name: document[name] for name in kept}
        | {
            "path": path,
            "index": f"{path}/{INDEX}",
            "index_sha256": hashlib.sha256(index).hexdigest(),
        }
    )


def mark_cancelled(
    tree: Mapping[str, bytes], *, messages: Collection[str], by: str
) -> dict[str, bytes]:
    """Mark withdrawn messages in the feeds and the index of a tree.

    A city and hazard whose message in force is withdrawn becomes ``unknown`` without a message;
    the evidence stays. The index names each withdrawn message and its Cancel.

    Parameters
    ----------
    tree
        Content of each file by its path, with that of the Cancel.
    messages
        Identifiers of the messages.
    by
        Identifier of the Cancel.
    """
    collection = json.loads(tree["alerts.geojson"])
    index = json.loads(tree[INDEX])
    for feature in collection["features"]:
        row = feature["properties"]
        if row["identifier"] in messages:
            counts = index["levels"][row["hazard"]]
            counts[row["level"]] -= 1
            counts[Level.UNKNOWN.value] += 1
            row |= withdraw_facts(row)
    files = dict(tree)
    files["alerts.geojson"] = dump_collection(collection)
    files["alerts.csv"] = write_csv([feature["properties"] for feature in collection["features"]])
    cancelled = index.get("cancelled", {}) | dict.fromkeys(messages, by)
    files[INDEX] = dump_json(index | {"cancelled": dict(sorted(cancelled.items()))})
    return files


def _describe_remark(remark: Remark) -> dict[str, str | None]:
    """Fields of a remark; null is not known."""
    time = remark.time and format_utc(remark.time)
    return dataclasses.asdict(remark) | {"time": time}


def describe_files(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Media type, size and SHA-256 of each file by its path."""
    return {
        path: {
            "media_type": media_type(path),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for path, content in sorted(files.items())
    }


def media_type(path: str) -> str:
    """Media type of a file of the tree.

    Examples
    --------
    >>> media_type("cap/lo/a.xml"), media_type("feeds/la.xml"), media_type("alerts.schema.json")
    ('application/cap+xml', 'application/atom+xml', 'application/schema+json')

    Raises
    ------
    KeyError
        The end of the name is not known.
    """
    if path.startswith("cap/"):
        return "application/cap+xml"
    suffixes = PurePosixPath(path).suffixes
    double = "".join(suffixes[-2:])
    return MEDIA_TYPES[double if double in MEDIA_TYPES else suffixes[-1]]
