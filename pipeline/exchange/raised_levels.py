"""Levels that the hourly watch raised, laid over the files of the run that it followed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.alerts.short_texts import UNREVIEWED, drop_event
from pipeline.alerts.spoken import drop_spoken_event, join_spoken
from pipeline.exchange.alert_files import dump_collection, dump_json, write_csv
from pipeline.exchange.index import INDEX


def add_raises(
    files: Mapping[str, bytes], rows: Sequence[Mapping[str, Any]]
) -> Mapping[str, bytes]:
    """Lay raised levels over the feeds, the short texts and the counts of a run's tree.

    The same rows again change nothing. A city that has left the tree is left out.

    Parameters
    ----------
    files
        Content by path, with ``alerts.geojson`` and ``index.json``.
    rows
        Rows of the table of raises, oldest first.
    """
    if not rows:
        return files
    collection, index = json.loads(files["alerts.geojson"]), json.loads(files[INDEX])
    features = {feature["id"]: feature for feature in collection["features"]}
    added = dict(files)
    for row in rows:
        event = f"{row['city']}-{row['hazard']}"
        if event not in features:
            continue
        counts = index["levels"][row["hazard"]]
        counts[features[event]["properties"]["level"]] -= 1
        counts[row["facts"]["level"]] += 1
        features[event]["properties"] = row["facts"]
        added |= _replace_texts(added, event, row["texts"])
    added["alerts.geojson"] = dump_collection(collection)
    added["alerts.csv"] = write_csv([each["properties"] for each in collection["features"]])
    added[INDEX] = dump_json(index)
    return added


def _replace_texts(
    files: Mapping[str, bytes], event: str, texts: Mapping[str, str]
) -> dict[str, bytes]:
    """Put the texts of an event in the place of those that a tree has of it."""
    changed = {}
    for path, content in files.items():
        folder = path.partition("/")[0]
        if folder not in {"sms", "cb", "read", "say"}:
            continue
        spoken = folder == "say"
        text = (drop_spoken_event if spoken else drop_event)(content.decode(), event)
        if path in texts:
            text = (join_spoken if spoken else _join_blocks)(text, texts[path])
        changed[path] = text.encode()
    return changed


def _join_blocks(text: str, block: str) -> str:
    r"""Add the blocks of one file to those of another.

    Examples
    --------
    >>> _join_blocks("kratie-flood\nStay.\n", "pakse-flood\nGo.\n")
    'kratie-flood\nStay.\n\npakse-flood\nGo.\n'
    """
    block = block.removeprefix(UNREVIEWED)
    return f"{text}\n{block}" if text.removeprefix(UNREVIEWED) else text + block
