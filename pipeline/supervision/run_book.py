"""Every kind of fault that a person is told of: how urgent it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["failed", "hung", "late", "invalid"]
"""What happened to a task or to what it made."""
Urgency = Literal["wake", "tomorrow"]
"""Somebody is woken, or reads of it in the morning."""
GUIDE = "docs/operator.md"


@dataclass(frozen=True)
class Entry:
    """A line of the run book.

    Parameters
    ----------
    urgency
        When a person must look.
    meaning
        What the fault is, after "it is so that".
    action
        What to do, in a sentence.
    anchor
        Heading of the operator's guide with more of it; empty for the guide as a whole.
    """

    urgency: Urgency
    meaning: str
    action: str
    anchor: str

    @property
    def link(self) -> str:
        """Place in the operator's guide."""
        return f"{GUIDE}#{self.anchor}" if self.anchor else GUIDE


RUN_BOOK = {
    "step_failed": Entry(
        "wake",
        "a step of the night failed and the night is not published by it",
        "Read the cause, mend it and clear the task; until then the last tree stands.",
        "a-step-of-the-night-failed",
    ),
    "side_failed": Entry(
        "tomorrow",
        "a task failed that the night goes on without",
        "Read the cause; run the task again once it is mended.",
        "a-task-beside-the-night-failed",
    ),
    "step_hung": Entry(
        "wake",
        "a step of the night took longer than it may and was ended",
        "See what it waited for, then clear the task; until then the last tree stands.",
        "a-task-hung",
    ),
    "side_hung": Entry(
        "tomorrow",
        "a task that the night goes on without took longer than it may and was ended",
        "See what it waited for; run it again.",
        "a-task-hung",
    ),
    "watch_failed": Entry(
        "wake",
        "the look between two nights failed or was ended; it raises no level until it runs again",
        "Read the cause and mend it; the next hour looks again.",
        "the-hourly-watch-failed",
    ),
    "night_late": Entry(
        "wake",
        "no good night has come for too long",
        "See whether the scheduler runs, then run the night by hand.",
        "the-night-is-late",
    ),
    "tree_absent": Entry(
        "wake",
        "nothing is published, or latest.json cannot be read",
        "Publish the last night again.",
        "nothing-is-published",
    ),
    "tree_old": Entry(
        "wake",
        "the newest published tree is not of this night",
        "See why publish did not replace it, then publish the night.",
        "the-tree-is-old",
    ),
    "tree_future": Entry(
        "wake",
        "the newest published tree is dated in the future",
        "Set the machine's clock right before anything else is run.",
        "the-tree-is-of-the-future",
    ),
    "file_damaged": Entry(
        "wake",
        "a published file is missing, changed or cannot be read",
        "Remove the version that is named and publish the night again.",
        "a-published-file-is-missing-or-changed",
    ),
    "file_added": Entry(
        "tomorrow",
        "a version holds a file that its index does not name",
        "Find out who put it there, and remove it.",
        "a-published-file-is-missing-or-changed",
    ),
    "city_absent": Entry(
        "wake",
        "a city of the tables is not in the published files",
        "Publish the night again; tell the agencies which cities are missing.",
        "a-city-is-missing",
    ),
    "files_differ": Entry(
        "wake",
        "two published files say different levels",
        "Publish the night again, and keep the tree for whoever mends the code.",
        "the-files-disagree",
    ),
    "message_damaged": Entry(
        "wake",
        "a message that the files name is missing or is no valid CAP message of this tree",
        "Publish the night again; send the warning by another way.",
        "a-message-is-missing-or-broken",
    ),
    "signature_wrong": Entry(
        "wake",
        "the tree is not signed by the keys of the settings",
        "See which keys signed it; receivers that verify refuse it.",
        "a-signature-does-not-hold",
    ),
    "signature_unchecked": Entry(
        "tomorrow",
        "the tree is signed, and there are no keys here to check it by",
        "Set the keys where the check runs.",
        "a-signature-does-not-hold",
    ),
    "floods_unknown": Entry(
        "wake",
        "floods are UNKNOWN in half of the cities or more",
        "See which sources are missing; tell the agencies that the night says little.",
        "many-cities-are-unknown",
    ),
    "levels_unknown": Entry(
        "tomorrow",
        "many cities are UNKNOWN",
        "See which sources are missing.",
        "many-cities-are-unknown",
    ),
    "alerts_fell": Entry(
        "wake",
        "far fewer alerts are in force than a night before",
        "Look whether the river fell as well; if it did not, tell the agencies.",
        "alerts-are-far-fewer-or-more-than-yesterday",
    ),
    "alerts_rose": Entry(
        "tomorrow",
        "far more alerts are in force than a night before",
        "Look whether the evidence is sound: a bad file raises many at once.",
        "alerts-are-far-fewer-or-more-than-yesterday",
    ),
    "disk_low": Entry(
        "tomorrow",
        "little room is left on the disk",
        "Make room: mekong retain, with shorter MEKONG_KEEP_... where it frees too little.",
        "little-room-is-left",
    ),
}
"""Faults by their code."""
UNKNOWN = Entry("wake", "something that this version does not know", "See the run book.", "")
"""A fault that another version of this code noted."""

SIDE_DAGS = frozenset(
    {
        "mekong_train", "mekong_backfill", "mekong_verify", "mekong_indices", "mekong_upkeep",
        "mekong_backup",
    }
)  # fmt: skip
"""DAGs that no night waits for, and the backup, which is a timer's."""
WATCH_DAG = "mekong_watch"
"""DAG of the look between two nights."""
SIDE_TASKS = frozenset({"ingest", "verdict", "remind"})
"""Tasks, or groups of them, that the night goes on without."""


def find_fault(kind: Kind, *, dag: str, task: str | None) -> str:
    """Find the code of what happened to a task; one that is not known here wakes somebody.

    Parameters
    ----------
    kind
        ``failed``, ``hung`` or ``late``; what is invalid has codes of its own.
    dag, task
        Ids; the task is None where it is about the run as a whole.

    Examples
    --------
    >>> find_fault("failed", dag="mekong_nightly", task="publish")
    'step_failed'
    >>> find_fault("hung", dag="mekong_nightly", task="ingest.smap")
    'side_hung'
    >>> find_fault("late", dag="mekong_nightly", task=None)
    'night_late'
    >>> find_fault("hung", dag="mekong_watch", task="watch")
    'watch_failed'
    """
    if kind == "late":
        return "night_late"
    if dag == WATCH_DAG and task not in SIDE_TASKS:
        return "watch_failed"
    side = dag in SIDE_DAGS or (task or "").partition(".")[0] in SIDE_TASKS
    return f"{'side' if side else 'step'}_{'hung' if kind == 'hung' else 'failed'}"
