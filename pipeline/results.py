"""Records of what each step did, as callers, logs and Airflow see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.verification.operational import CityScore, DroughtScore, LevelScore


@dataclass(frozen=True)
class Simulated:
    """What the virtual basin laid out."""

    files: int
    years: list[int]


@dataclass(frozen=True)
class Assessed:
    """Days of the zonal daily series that were made, and how many are new or changed."""

    days: int
    changed: int


@dataclass(frozen=True)
class Trained:
    """A set of models that was trained."""

    version: str
    stations: int
    trained_to: str
    origin: str


@dataclass(frozen=True)
class Forecast:
    """A run that was forecast."""

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
    """A message that was made again.

    Parameters
    ----------
    content
        Bytes of the message.
    difference
        Why it is not the message that was sent; empty where it is.
    """

    content: bytes
    difference: str = ""


@dataclass(frozen=True)
class Published:
    """A tree that was published.

    Parameters
    ----------
    folder, revision
        Where it lies, and which revision of its issue time it is.
    messages
        Number of CAP messages.
    levels
        Number of cities and hazards by level.
    degraded
        Why the night is not a good one; empty where it is.
    """

    folder: str
    revision: int
    messages: int
    levels: dict[str, int]
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """Forecasts that were scored: those of the last days, and what is known by city and level."""

    forecasts: int
    rmse_m: float | None = None
    cp: float | None = None
    cover80: float | None = None
    cities: tuple[CityScore, ...] = ()
    levels: tuple[LevelScore, ...] = ()
    drought: tuple[DroughtScore, ...] = ()
