"""Decision of a run for one city and hazard, with the evidence it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.evidence import Drought, LowFlow, Rain, River
from pipeline.alerts.levels import Level
from pipeline.sources.base import Origin

if TYPE_CHECKING:
    from pipeline.alerts.track_record import TrackRecord
    from pipeline.geography.places import City, Station

Hazard = Literal["flood", "drought"]
Status = Literal["Actual", "Exercise", "Test"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Level of one city and hazard, and all that its messages need.

    Parameters
    ----------
    issue_time, city, hazard
        Subject of the decision.
    level
        Level of this run.
    in_force
        Level in force: the same, but the last assessed one where this run is UNKNOWN and a level
        above NONE was in force.
    probability
        Of the event that the level in force is about; at NONE of the Watch's; NaN if not known, and
        where rain alone raised the level.
    urgency, severity, certainty
        CAP 1.2 values for the level in force.
    reasons
        Keys of the criteria that reach or hold the level.
    missing
        Keys of the evidence that was missing; their text is in ``messages/``.
    onset
        When it begins: the first run of the event that observed it, else the first day at which
        the probability reaches its threshold; None if no day does.
    valid_to
        End of the window that the level is about.
    station, river, rain, drought
        Evidence as given; None where it does not apply.
    state
        For the next run, before this run's message is added (see ``message_chain``).
    river_level, rain_level
        Level from each line of evidence of a flood alone, UNKNOWN where it is missing; None for
        the river where there is no gauge with an alarm stage, and for droughts.
    low_flow
        Low flow at the city's gauge; shown beside a drought, no level rests on it.
    track_record
        Outcome of earlier warnings of this level; None where it is not about a forecast.
    held
        Whether a level stays in force that no criterion of this run reaches.
    ending_time
        First day on which the median stage is below the level's threshold stage again after it was
        reached; None where no day of the forecast is.
    other_hazard
        Level in force of the city's other hazard; None where no warning of it is in force.
    clear
        Whether the evidence allows an all-clear where a warning ends.
    facing
        City on the other bank and its flood level in force, UNKNOWN where that is not assessed;
        None where no city faces this one, and for droughts.
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
    state: AlertState
    river_level: Level | None = None
    rain_level: Level | None = None
    low_flow: LowFlow | None = None
    track_record: TrackRecord | None = None
    held: bool = False
    ending_time: datetime | None = None
    other_hazard: Level | None = None
    clear: bool = False
    facing: tuple[City, Level] | None = None

    @property
    def eases(self) -> bool:
        """Whether a level is held that was observed in this event, so that it eases."""
        return self.held and bool(self.state.observed_since)


def choose_status(
    decision: Decision, *, origin: Origin, wanted: Literal["Actual", "Test"]
) -> Status:
    """Choose the CAP status that a decision may carry.

    Exercise if any input is virtual. Actual falls back to Test where the decision rests on a
    gauge whose thresholds are not verified, so that one unverified gauge does not silence the
    others.
    """
    if origin == "virtual":
        return "Exercise"
    unverified = decision.station is not None and not decision.station.threshold_verified
    return "Test" if unverified else wanted
