"""State of one city and hazard that each run hands to the next, messages sent included."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from pipeline.alerts.levels import Level


@dataclass(frozen=True, kw_only=True)
class SentMessage:
    """One CAP message of an event, as later messages refer to it.

    Parameters
    ----------
    identifier, sender, sent, expires
        As in the message.
    level
        Level that it put or left in force.
    over
        Whether it ended the event.
    digest
        SHA-256 of its content, without the time of sending.
    """

    identifier: str
    sender: str
    sent: datetime
    expires: datetime
    level: Level
    over: bool
    digest: str


@dataclass(frozen=True, kw_only=True)
class AlertState:
    """What a run hands to the next one, for one city and hazard.

    Parameters
    ----------
    issue_time
        Moment of the run; None if there was none.
    level
        Last assessed level, UNKNOWN only if there was none yet.
    runs_up, runs_down
        Consecutive runs, per level, at or above its threshold and below the one at which it ends.
    on_rain
        Whether the level in force rests on rain over the city.
    sent
        Messages of the open event, oldest first; empty if no event is open.
    """

    issue_time: datetime | None
    level: Level
    runs_up: Mapping[str, int]
    runs_down: Mapping[str, int]
    on_rain: bool
    sent: tuple[SentMessage, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the column ``memory`` of the table of alerts."""
        return {
            "issue_time": self.issue_time.isoformat() if self.issue_time else None,
            "level": self.level.value,
            "runs_up": dict(self.runs_up),
            "runs_down": dict(self.runs_down),
            "on_rain": self.on_rain,
            "sent": [
                {
                    "identifier": message.identifier,
                    "sender": message.sender,
                    "sent": message.sent.isoformat(),
                    "expires": message.expires.isoformat(),
                    "level": message.level.value,
                    "over": message.over,
                    "digest": message.digest,
                }
                for message in self.sent
            ],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        issue_time = row["issue_time"]
        return cls(
            issue_time=datetime.fromisoformat(issue_time) if issue_time else None,
            level=Level(row["level"]),
            runs_up=dict(row["runs_up"]),
            runs_down=dict(row["runs_down"]),
            on_rain=bool(row["on_rain"]),
            sent=tuple(
                SentMessage(
                    identifier=message["identifier"],
                    sender=message["sender"],
                    sent=datetime.fromisoformat(message["sent"]),
                    expires=datetime.fromisoformat(message["expires"]),
                    level=Level(message["level"]),
                    over=bool(message["over"]),
                    digest=message["digest"],
                )
                for message in row["sent"]
            ),
        )


def forget_level(state: AlertState) -> AlertState:
    """Drop the level and its counts; keep the moment of the run and the messages sent."""
    return AlertState(
        issue_time=state.issue_time,
        level=Level.UNKNOWN,
        runs_up={},
        runs_down={},
        on_rain=False,
        sent=state.sent,
    )


def restore_state(
    before: Mapping[str, Any] | None,
    *,
    revisions: Sequence[Mapping[str, Any]] = (),
    cancelled: Collection[str] = (),
) -> AlertState | None:
    """Restore the state for a run from stored dicts of one city and hazard.

    Parameters
    ----------
    before
        ``AlertState.to_dict()`` of the last revision of the last issue time before this one.
    revisions
        The same of earlier revisions of this very issue time, oldest first. The level and the
        counts come from ``before``, so that a revised run decides as the first should have; the
        messages come from the last revision, so that no message sent is lost.
    cancelled
        Identifiers of messages withdrawn before this run. Their event is over, and a level decided
        with a withdrawn message holds nothing: the run decides alone, as after an outage.
    """
    if before is None and not revisions:
        return None
    if before is None:
        state = AlertState(
            issue_time=None, level=Level.UNKNOWN, runs_up={}, runs_down={}, on_rain=False, sent=()
        )
    else:
        state = AlertState.from_dict(before)
    states = [state, *(AlertState.from_dict(revision) for revision in revisions)]
    sent = states[-1].sent
    if any(message.identifier in cancelled for earlier in states for message in earlier.sent):
        state = forget_level(state)
        while any(message.identifier in cancelled for message in sent):
            sent = sent[1:]
    return replace(state, sent=sent)
