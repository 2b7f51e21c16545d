"""The index of a published tree: the run, its inputs, and the SHA-256 of every other file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pipeline.alerts.decision import Decision
from pipeline.alerts.levels import Level
from pipeline.exchange.alert_files import dump_json, withdraw_facts, write_csv
from pipeline.times import format_utc

SCHEMA_VERSION = 2


def write_index(
    decisions: Sequence[Decision],
    files: Mapping[str, bytes],
    *,
    issue_time: datetime,
    revision: int,
    status: str,
    origin: str,
    inputs: Mapping[str, str],
    missing: Sequence[str],
    archive_snapshot: str,
    records_batch: int,
    model_version: str,
) -> bytes:
    """Write the index of a published tree.

    Parameters
    ----------
    decisions
        All decisions, for the counts per level.
    files
        Every other file of the tree by its path.
    issue_time, revision
        The run.
    status, origin
        CAP status, and whether the inputs are virtual or measured.
    inputs
        Name of each input file to its SHA-256.
    missing
        Inputs that were expected and not there, in plain words.
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
            "issue_time": format_utc(issue_time),
            "revision": revision,
            "status": status,
            "origin": origin,
            "archive_snapshot": archive_snapshot,
            "records_batch": records_batch,
            "model_version": model_version,
            "levels": levels,
            "missing": list(missing),
            "inputs": dict(sorted(inputs.items())),
            "files": _describe_files(files),
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
    index = json.loads(tree["index.json"])
    for feature in collection["features"]:
        row = feature["properties"]
        if row["identifier"] in messages:
            counts = index["levels"][row["hazard"]]
            counts[row["level"]] -= 1
            counts[Level.UNKNOWN.value] += 1
            row |= withdraw_facts(row)
    files = dict(tree)
    files["alerts.geojson"] = dump_json(collection)
    files["alerts.csv"] = write_csv([feature["properties"] for feature in collection["features"]])
    index["files"] = _describe_files(
        {path: content for path, content in files.items() if path != "index.json"}
    )
    cancelled = index.get("cancelled", {}) | dict.fromkeys(messages, by)
    files["index.json"] = dump_json(index | {"cancelled": dict(sorted(cancelled.items()))})
    return files


def _describe_files(files: Mapping[str, bytes]) -> dict[str, dict[str, str | int]]:
    """SHA-256 and size of each file by its path."""
    return {
        path: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for path, content in sorted(files.items())
    }
