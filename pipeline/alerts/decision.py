"""What a run decides, and what it hands to the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pipeline.alerts.evidence import Drought, Level, LowFlow, Rain, River
from pipeline.sources.base import Origin

if TYPE_CHECKING:
    from pipeline.alerts.track_record import Track
    from pipeline.geography.places import City, Station

Hazard = Literal["flood", "drought"]
Status = Literal["Actual", "Exercise", "Test"]


@dataclass(frozen=True, kw_only=True)
class Sent:
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
        SHA-256 of what it said.
    """

    identifier: str
    sender: str
    sent: datetime
    expires: datetime
    level: Level
    over: bool
    digest: str


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a run hands to the next one, for one city and hazard.

    Parameters
    ----------
    issue_time
        Moment of the run; None if there was none.
    level
        Last assessed level, UNKNOWN only if there was none yet.
    runs_up, runs_down
        Runs in a row, per level, at or above its threshold and below where it ends.
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
    sent: tuple[Sent, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the table of alerts."""
        return {
            "issue_time": self.issue_time.isoformat() if self.issue_time else None,
            "level": self.level.value,
            "runs_up": dict(self.runs_up),
            "runs_down": dict(self.runs_down),
            "on_rain": self.on_rain,
            "sent": [
                {
                    "identifier": one.identifier,
                    "sender": one.sender,
                    "sent": one.sent.isoformat(),
                    "expires": one.expires.isoformat(),
                    "level": one.level.value,
                    "over": one.over,
                    "digest": one.digest,
                }
                for one in self.sent
            ],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        when = row["issue_time"]
        return cls(
            issue_time=datetime.fromisoformat(when) if when else None,
            level=Level(row["level"]),
            runs_up=dict(row["runs_up"]),
            runs_down=dict(row["runs_down"]),
            on_rain=bool(row["on_rain"]),
            sent=tuple(
                Sent(
                    identifier=one["identifier"],
                    sender=one["sender"],
                    sent=datetime.fromisoformat(one["sent"]),
                    expires=datetime.fromisoformat(one["expires"]),
                    level=Level(one["level"]),
                    over=bool(one["over"]),
                    digest=one["digest"],
                )
                for one in row["sent"]
            ),
        )


def recall(
    before: Mapping[str, Any] | None, *, revisions: Sequence[Mapping[str, Any]] = ()
) -> Memory | None:
    """Rebuild the memory for a run from stored dicts of one city and hazard.

    Parameters
    ----------
    before
        ``Memory.to_dict()`` of the last revision of the last issue time before this one.
    revisions
        The same of earlier revisions of this very issue time, oldest first. The level and the
        counts come from ``before``, so that a revised run decides as the first should have; the
        chain of messages goes on from the last revision, so that nothing sent is forgotten.
    """
    if before is None and not revisions:
        return None
    first = Memory(
        issue_time=None, level=Level.UNKNOWN, runs_up={}, runs_down={}, on_rain=False, sent=()
    )
    memory = first if before is None else Memory.from_dict(before)
    if not revisions:
        return memory
    return replace(memory, sent=Memory.from_dict(revisions[-1]).sent)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Level of one city and hazard, and all that its messages need.

    Parameters
    ----------
    issue_time, city, hazard
        What the decision is about.
    level
        Level of this run.
    in_force
        Level that stands: the same, but the last assessed one where this run is UNKNOWN and a
        level above NONE was in force.
    probability
        Of the event that the level in force is about; at NONE of the Watch's; NaN if not known.
    urgency, severity, certainty
        CAP 1.2 words for the level in force.
    reasons
        Keys of what triggered or holds the level.
    missing
        Keys of the evidence that was missing; words in ``messages/``.
    onset
        When it begins: the issue time if observed, else the first day at which the probability
        reaches its threshold; None if no day does.
    valid_to
        End of the window that the level looks at.
    station, river, rain, drought
        Evidence as given; None where it does not apply.
    memory
        For the next run, before this run's message is added (see ``cap.issue``).
    river_level, rain_level
        What each line of evidence of a flood says by itself, UNKNOWN where it is missing; None for
        the river where there is no gauge with an alarm stage, and for droughts.
    low_flow
        Low flow at the city's gauge; shown beside a drought, no level rests on it.
    track
        What became of earlier warnings of this level; None where it is not about a forecast.
    """

    issue_time: datetime
    city: City
    hazard: Hazard
    level: Level
    in_force: Level
    probability: float
    urgency: str
    severity: str
    certainty: str
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    onset: datetime | None
    valid_to: datetime
    station: Station | None
    river: River | None
    rain: Rain | None
    drought: Drought | None
    memory: Memory
    river_level: Level | None = None
    rain_level: Level | None = None
    low_flow: LowFlow | None = None
    track: Track | None = None


def status_of(decision: Decision, *, origin: Origin, wanted: Literal["Actual", "Test"]) -> Status:
    """Status that a decision may carry.

    Exercise wherever something virtual went in. Actual falls back to Test where the decision
    rests on a gauge whose thresholds are not verified, so that one unverified gauge does not
    silence the others.
    """
    if origin == "virtual":
        return "Exercise"
    unverified = decision.station is not None and not decision.station.threshold_verified
    return "Test" if unverified else wanted
