"""Make the published tree of a run: its files, all messages, their feeds, and the index."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.alerts.cap import message_path, split_languages
from pipeline.alerts.facts import LIFETIME
from pipeline.alerts.short_texts import drop_event
from pipeline.alerts.spoken import drop_spoken_event
from pipeline.exchange.atom import write_feeds
from pipeline.exchange.city_files import write_city_files
from pipeline.exchange.datapackage import write_datapackage
from pipeline.exchange.index import INDEX, complete_index, mark_cancelled
from pipeline.exchange.issue import Issue
from pipeline.exchange.keys import SigningKeys, fingerprint
from pipeline.exchange.messages import LOOK_BACK, TreeMessage, list_messages, precedes
from pipeline.exchange.raised_levels import add_raises
from pipeline.exchange.schema import read_schema
from pipeline.exchange.signatures import sign_detached, sign_message
from pipeline.geography import places
from pipeline.settings import Settings
from pipeline.storage.records import Records

MADE = ("cap/", "proof/", "feeds/", "feed.xml", "cities/", "index.json.sig")
"""Beginnings of the paths that are made anew from the messages and the other files."""


def proof_path(identifier: str) -> str:
    """Path of the proof record of a message in the published tree.

    Examples
    --------
    >>> proof_path("urn:oid:2.49.0.1.418.20260820T0030Z-pakse-flood-r0")
    'proof/2.49.0.1.418.20260820T0030Z-pakse-flood-r0.json'
    """
    return f"proof/{identifier.rpartition(':')[2]}.json"


def make_tree(
    files: Mapping[str, bytes],
    records: Records,
    run: Mapping[str, Any],
    *,
    settings: Settings,
    keys: SigningKeys | None = None,
) -> dict[str, bytes]:
    """Make the published tree of a run of its own files and all messages that were sent.

    What the hourly watch raised after the run is laid over it first, Cancels after that.

    Parameters
    ----------
    files
        Content of each file of the run by its path, or of its tree as published before.
    records
        Tables with the messages of the run and of earlier ones, and with the Cancels.
    run
        Row of the table of runs.
    settings
        Region, and the hub of the feeds; what the messages name is that of the run.
    keys
        Keys that sign messages and index; without them nothing is signed.
    """
    files = add_raises(files, records.raises(run["issue_time"], run["revision"]))
    cancels = records.cancellations()
    own = [row for row in cancels if row["issue_time"] == run["issue_time"]]
    for row in own:
        files = {**files, **_drop_texts(files, row["messages"])}
        files = mark_cancelled(files, messages=row["messages"], by=row["identifier"])
    now = run["sent"] or run["issue_time"]
    sent = records.messages_until(run, since=now - LOOK_BACK)
    earlier = [row for row in cancels if row in own or precedes(row, run)]
    now = max([now, *(row["sent"] for row in (*sent, *earlier))])
    messages = list_messages(sent, earlier, now=now)
    of_run = settings.model_copy(update=run["settings"])
    feeds = write_feeds(
        messages,
        cities=places.cities(settings.region, asof=run["issue_time"]),
        updated=now,
        expires_at=run["issue_time"] + LIFETIME,
        base_url=of_run.public_url,
        hub_url=settings.hub_url,
        sender=of_run.alert_sender,
        sender_name=of_run.alert_sender_name,
    )
    return _complete(files, messages, feeds, keys)


def _complete(
    files: Mapping[str, bytes],
    messages: Sequence[TreeMessage],
    feeds: Mapping[str, bytes],
    keys: SigningKeys | None,
) -> dict[str, bytes]:
    """Add messages and feeds to the files of a run, sign them, and index all of them."""
    tree = {
        path: content
        for path, content in files.items()
        if path != INDEX and not path.startswith(MADE)
    }
    document = json.loads(files[INDEX])
    issue = Issue(
        issue_time=datetime.fromisoformat(document["issue_time"]),
        status=document["status"],
        origin=document["origin"],
    )
    tree |= {**feeds, **write_city_files(tree, issue)}
    for message in messages:
        parts = split_languages(message.content)
        tree[message_path(message.identifier)] = _sign(message.content, keys)
        for language, content in parts.items():
            tree[message_path(message.identifier, language)] = _sign(content, keys)
        if message.proof is not None:
            tree[proof_path(message.identifier)] = message.proof
    tree["alerts.schema.json"] = read_schema()
    tree["datapackage.json"] = write_datapackage(
        tree, issue_time=issue.issue_time, status=issue.status
    )
    signed_by = [fingerprint(key) for key in keys.public.ed25519] if keys else []
    tree[INDEX] = complete_index(files[INDEX], tree, signed_by=signed_by)
    if keys:
        tree[f"{INDEX}.sig"] = sign_detached(tree[INDEX], keys)
    return tree


def _sign(message: bytes, keys: SigningKeys | None) -> bytes:
    return sign_message(message, keys) if keys else message


def _drop_texts(tree: Mapping[str, bytes], messages: Collection[str]) -> dict[str, bytes]:
    """Short and spoken texts of a tree without the events whose message in force is withdrawn."""
    rows = (feature["properties"] for feature in json.loads(tree["alerts.geojson"])["features"])
    events = [f"{row['city']}-{row['hazard']}" for row in rows if row["identifier"] in messages]
    changed = {}
    for path, content in tree.items():
        folder = path.partition("/")[0]
        if folder in {"sms", "cb", "read", "say"}:
            drop = drop_spoken_event if folder == "say" else drop_event
            text = content.decode()
            for event in events:
                text = drop(text, event)
            changed[path] = text.encode()
    return changed
