"""State of one city and hazard that each run hands to the next, messages sent included."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from pipeline.alerts.evidence import Lead
from pipeline.alerts.levels import RAISED, Level, higher
from pipeline.alerts.notice import Phase


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
    issue_time
        Moment of the run that sent it: a revision sends later than its run was due.
    """

    identifier: str
    sender: str
    sent: datetime
    expires: datetime
    level: Level
    over: bool
    issue_time: datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "identifier": self.identifier,
            "sender": self.sender,
            "sent": self.sent.isoformat(),
            "expires": self.expires.isoformat(),
            "level": self.level.value,
            "over": self.over,
            "issue_time": self.issue_time.isoformat(),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`; earlier versions sent a message at its issue time."""
        return cls(
            identifier=row["identifier"],
            sender=row["sender"],
            sent=datetime.fromisoformat(row["sent"]),
            expires=datetime.fromisoformat(row["expires"]),
            level=Level(row["level"]),
            over=bool(row["over"]),
            issue_time=datetime.fromisoformat(row.get("issue_time", row["sent"])),
        )


@dataclass(frozen=True, kw_only=True)
class Told:
    """Forecast that the last message of an event told, for the next one to compare with.

    Parameters
    ----------
    leads
        Forecast of the river; empty where there was none.
    onset, ending_time
        Of the decision.
    drought_class
        Class of the drought; None where it was not known.
    p_drought
        P(class >= D1, D2, D3) in four weeks; empty where it was not known.
    phase
        Phase of the drought.
    """

    leads: tuple[Lead, ...] = ()
    onset: datetime | None = None
    ending_time: datetime | None = None
    drought_class: int | None = None
    p_drought: tuple[float, ...] = ()
    phase: Phase | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "leads": [lead.to_dict() for lead in self.leads],
            "onset": _format(self.onset),
            "ending_time": _format(self.ending_time),
            "drought_class": self.drought_class,
            "p_drought": list(self.p_drought),
            "phase": self.phase,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(
            leads=tuple(Lead.from_dict(lead) for lead in row["leads"]),
            onset=_parse(row["onset"]),
            ending_time=_parse(row["ending_time"]),
            drought_class=row["drought_class"],
            p_drought=tuple(row["p_drought"]),
            phase=row["phase"],
        )


def _format(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _parse(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment) if moment else None


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
    on_rain, on_river
        Whether the level in force rests on rain over the city, and on the river; neither for a
        drought.
    assessed
        Moment of the last run that could assess the level; None if there was none.
    observed_since
        Moment of the first run of the event that observed each level.
    sent
        Messages of the open event, oldest first; empty if no event is open.
    incident
        Name of the event, the same for its whole life; empty if no event is open.
    told
        Forecast that its last message told; None where none is open.
    raised_at
        Moment of the hourly watch that raised the level after the run; None where none did. A run
        of an earlier issue time lowers nothing of it.
    """

    issue_time: datetime | None
    level: Level
    runs_up: Mapping[str, int]
    runs_down: Mapping[str, int]
    on_rain: bool
    on_river: bool
    assessed: datetime | None = None
    observed_since: Mapping[str, datetime] = field(default_factory=dict)
    sent: tuple[SentMessage, ...] = ()
    incident: str = ""
    told: Told | None = None
    raised_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the column ``memory`` of the table of alerts."""
        return {
            "issue_time": _format(self.issue_time),
            "level": self.level.value,
            "runs_up": dict(self.runs_up),
            "runs_down": dict(self.runs_down),
            "on_rain": self.on_rain,
            "on_river": self.on_river,
            "assessed": _format(self.assessed),
            "observed_since": {
                level: moment.isoformat() for level, moment in self.observed_since.items()
            },
            "sent": [message.to_dict() for message in self.sent],
            "incident": self.incident,
            "told": self.told.to_dict() if self.told else None,
            "raised_at": _format(self.raised_at),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`; a state of an earlier version has no event that goes on."""
        now = "assessed" in row
        told = row.get("told")
        return cls(
            issue_time=_parse(row["issue_time"]),
            level=Level(row["level"]),
            runs_up=dict(row["runs_up"]),
            runs_down=dict(row["runs_down"]),
            on_rain=bool(row["on_rain"]),
            on_river=bool(row.get("on_river", not row["on_rain"])),
            assessed=_parse(row["assessed"] if now else row["issue_time"]),
            observed_since={
                level: datetime.fromisoformat(moment)
                for level, moment in row.get("observed_since", {}).items()
            },
            sent=tuple(SentMessage.from_dict(message) for message in row["sent"]),
            incident=row.get("incident", ""),
            told=Told.from_dict(told) if told else None,
            raised_at=_parse(row.get("raised_at")),
        )


def raise_state(state: AlertState, raised: AlertState) -> AlertState:
    """Lay a level that the hourly watch raised over the state of a run, which keeps its counts.

    Parameters
    ----------
    state
        State that the next run starts from.
    raised
        State of the hourly watch.
    """
    before = state.level if state.level in RAISED else Level.NONE
    return replace(
        state,
        level=higher(before, raised.level),
        runs_down={},
        on_rain=state.on_rain or raised.on_rain,
        on_river=state.on_river or raised.on_river,
        assessed=raised.assessed,
        observed_since={**raised.observed_since, **state.observed_since},
        raised_at=raised.raised_at,
    )


def forget_level(state: AlertState) -> AlertState:
    """Drop the level and its counts; keep the moment of the run and the event's messages."""
    return replace(
        state, level=Level.UNKNOWN, runs_up={}, runs_down={}, on_rain=False, on_river=False,
        assessed=None, observed_since={}, raised_at=None,
    )  # fmt: skip


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
        messages come from the last revision, so that no message sent is lost. The state of an
        hourly watch after a revision stands behind it, and the level that it raised counts.
    cancelled
        Identifiers of messages withdrawn before this run. Their event is over, and a level decided
        with a withdrawn message holds nothing: the run decides alone, as after an outage.
    """
    if before is None and not revisions:
        return None
    if before is None:
        state = AlertState(
            issue_time=None, level=Level.UNKNOWN, runs_up={}, runs_down={}, on_rain=False,
            on_river=False,
        )  # fmt: skip
    else:
        state = AlertState.from_dict(before)
    states = [state, *(AlertState.from_dict(revision) for revision in revisions)]
    last = states[-1]
    sent = last.sent
    if len(states) > 1 and last.raised_at is not None:
        state = raise_state(state, last)
    if any(message.identifier in cancelled for earlier in states for message in earlier.sent):
        state = forget_level(state)
        while any(message.identifier in cancelled for message in sent):
            sent = sent[1:]
    return replace(state, sent=sent, incident=last.incident if sent else "", told=last.told)
