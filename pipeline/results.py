"""Records of what each step did, as callers, logs and Airflow see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.verification.operational import CityScore, DroughtScore, LevelScore


@dataclass(frozen=True)
class Simulated:
    """Files written by the virtual basin, and the years of its record."""

    files: int
    years: list[int]


@dataclass(frozen=True)
class Assessed:
    """Zonal daily series that were computed.

    Parameters
    ----------
    days, changed
        Newest days, and how many of them are new or changed.
    new_zones
        Ids of the zones that had no record before.
    past_days
        Past days of these zones that were made from the archived grids.
    """

    days: int
    changed: int
    new_zones: tuple[str, ...] = ()
    past_days: int = 0


@dataclass(frozen=True)
class Trained:
    """A set of models that was trained.

    Parameters
    ----------
    version, stations, trained_to, origin
        Version, number of gauges, last day of the data and their origin.
    kept
        Why these are the former models: the skill that the new ones would lose.
    """

    version: str
    stations: int
    trained_to: str
    origin: str
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """A run that was forecast: numbers of gauges, zones and tiers, and its models."""

    issue_time: str
    revision: int
    stations: int
    zones: int
    tiers: dict[str, int]
    model_version: str
    origin: str
    broken_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replayed:
    """A message that was reproduced from its run.

    Parameters
    ----------
    content
        Bytes of the message.
    difference
        Why they differ from the message that was sent; empty where they do not.
    """

    content: bytes
    difference: str = ""


@dataclass(frozen=True)
class Published:
    """A tree that was published.

    Parameters
    ----------
    folder, revision
        Its path, and its revision of the issue time.
    messages
        Number of CAP messages.
    levels
        Number of cities and hazards by level.
    degraded
        Reasons why the night is degraded; empty where it is not.
    late
        Whether a later night had been issued before, so that no message is sent.
    signed
        Whether it is signed.
    """

    folder: str
    revision: int
    messages: int
    levels: dict[str, int]
    degraded: tuple[str, ...] = ()
    late: bool = False
    signed: bool = False


@dataclass(frozen=True)
class WatchResult:
    """What an hourly watch saw and raised.

    Parameters
    ----------
    asof, follows
        Its moment, and the issue time of the night that it followed; empty where it followed none.
    raised
        Identifiers of the messages that it sent.
    datum_minutes
        Minutes from the oldest datum behind them to the watch; None where none was sent.
    heavy_rain, over_mark, sudden
        Cities with heavy rain, gauges at or above their alarm stage, and gauges with a sudden
        change.
    missing
        What it could not see.
    seconds
        Time that it took.
    """

    asof: str
    follows: str
    raised: tuple[str, ...] = ()
    datum_minutes: int | None = None
    heavy_rain: tuple[str, ...] = ()
    over_mark: tuple[str, ...] = ()
    sudden: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Verified:
    """Scores of the forecasts of the last days, and by city, by level and of drought."""

    forecasts: int
    rmse_m: float | None = None
    cp: float | None = None
    cover80: float | None = None
    cities: tuple[CityScore, ...] = ()
    levels: tuple[LevelScore, ...] = ()
    drought: tuple[DroughtScore, ...] = ()
