"""A finished night: its forecasts, levels, rain and indices, read from the stores as it saw."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import sqlalchemy as sa

from pipeline.exchange.columns import ALERTS, HAZARDS
from pipeline.exchange.publication import LATEST
from pipeline.geography.place_search import find_city, find_gauge
from pipeline.geography.places import City, Station, stations
from pipeline.issuance.explanation import explain_decision, find_night
from pipeline.issuance.forecast_tables import read_forecasts
from pipeline.issuance.snapshot import Snapshot, open_snapshot
from pipeline.nights import stage_arrays, zone_arrays
from pipeline.nights.spans import Day, begin_of, span_of
from pipeline.nights.zone_arrays import By
from pipeline.settings import Settings
from pipeline.storage.records import Records
from pipeline.times import format_utc

if TYPE_CHECKING:
    import xarray as xr

    from pipeline.alerts.decision import Hazard
    from pipeline.figures.canvas import Provenance
    from pipeline.nights.alternatives import Thresholds


def open_night(day: Day | None = None, *, settings: Settings | None = None) -> Night:
    """Open a finished night from the stores; nothing is computed or written.

    Parameters
    ----------
    day
        Day of the issue (UTC), as ISO text or date; default the newest night that is published.
    settings
        Default: from the environment.

    Raises
    ------
    LookupError
        No night of that day was published, or the stores that it was made from are not there.
    """
    settings = settings or Settings()
    if day is None:
        folder = _find_newest(settings.published_dir)
    else:
        folder = find_night(settings.published_dir, begin_of(day))
    check_stores_exist(settings)
    return Night(folder.resolve(), settings)


def _find_newest(published: Path) -> Path:
    """Find the folder of the newest published tree."""
    latest = published / LATEST
    if not latest.is_file():
        raise LookupError(f"expected a night published in {published}, found none: mekong nightly")
    return published / str(json.loads(latest.read_bytes())["path"])


def check_stores_exist(settings: Settings) -> None:
    """Check that the archive and the tables are there: opening absent ones would create them.

    Raises
    ------
    LookupError
        One of them is not there.
    """
    url = sa.make_url(settings.database)
    of_sqlite = url.get_backend_name() == "sqlite" and url.database
    for path in (settings.archive_dir, *([Path(url.database or "")] if of_sqlite else [])):
        if not path.exists():
            raise LookupError(f"expected the stores of the night, found no {path}")


@dataclass(frozen=True)
class Night:
    """One published night. Cities are given by id, by name in any language, or by gauge code.

    Parameters
    ----------
    folder
        Published tree of the night.
    settings
        Where the stores are.

    Raises
    ------
    LookupError
        From every method that takes a city: none is called so, with the names that are near; or
        it has no gauge, where one is needed.
    """

    folder: Path
    settings: Settings

    def __repr__(self) -> str:
        return (
            f"Night {self.issue_time:%Y-%m-%d %H:%MZ}, revision {self.run['revision']}, "
            f"{self.status} ({self.published['origin']})"
        )

    @cached_property
    def published(self) -> dict[str, Any]:
        """Content of ``index.json`` of the published tree: version, inputs, what is missing."""
        content: dict[str, Any] = json.loads((self.folder / "index.json").read_bytes())
        return content

    @property
    def issue_time(self) -> datetime:
        """Moment that the night speaks for."""
        return datetime.fromisoformat(self.published["issue_time"])

    @property
    def status(self) -> str:
        """CAP status: Exercise where anything virtual went in, Test or Actual."""
        return str(self.published["status"])

    @property
    def provenance(self) -> Provenance:
        """Status, issue time and source of the data, as figures say them."""
        from pipeline.figures.canvas import Provenance, name_source  # noqa: PLC0415

        return Provenance(self.status, self.issue_time, name_source(self.published["origin"]))  # type: ignore[arg-type]

    @cached_property
    def run(self) -> dict[str, Any]:
        """Row of the night in the table of runs."""
        return self._records.run(self.issue_time, self.published["revision"])

    @cached_property
    def _records(self) -> Records:
        return Records(self.settings.database)

    @cached_property
    def snapshot(self) -> Snapshot:
        """Both stores as the night saw them, without models."""
        return open_snapshot(self.run, {}, self.settings)

    @cached_property
    def forecasts(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Stage and drought forecasts as issued, as the tables hold them."""
        return read_forecasts(self.snapshot.records, self.run)

    def stages(self, city: str, *, start: Day | None = None, end: Day | None = None) -> xr.Dataset:
        """Read the stages at a city's gauge as they were known at the issue time.

        Parameters
        ----------
        city
            City or gauge.
        start, end
            First and last day, month or year; by default the last 60 days.

        Returns
        -------
        xarray.Dataset
            As of :func:`pipeline.nights.stage_arrays.read_stages`.
        """
        first, last = span_of(start, end)
        stages = stage_arrays.read_stages(
            self.snapshot, self._find_gauge(city), start=first, end=last
        )
        return stages.assign_attrs(self._mark())

    def forecast(self, city: str) -> xr.Dataset:
        """Read the stage forecast of a city's gauge as it was issued.

        Parameters
        ----------
        city
            City or gauge.

        Returns
        -------
        xarray.Dataset
            As of :func:`pipeline.nights.stage_arrays.label_forecast`.
        """
        gauge = self._find_gauge(city)
        rows = stage_arrays.find_gauge_rows(self.forecasts[0], gauge)
        return stage_arrays.label_forecast(rows, gauge).assign_attrs(self._mark())

    def levels(self) -> pd.DataFrame:
        """Read the published levels, a row per city and hazard.

        Returns
        -------
        pandas.DataFrame
            Columns of ``alerts.csv`` (docs/agency.md); times are naive UTC, unknown values NaN, NaT
            or empty. Units are the ends of the columns' names, and ``attrs["units"]``.
        """
        levels = read_alerts((self.folder / "alerts.csv").read_bytes())
        levels.attrs |= self._mark()
        return levels

    def rain(
        self,
        *,
        by: Literal["basin", "city"] = "city",
        start: Day | None = None,
        end: Day | None = None,
    ) -> xr.DataArray:
        """Read the daily rain of every city or sub-basin as the night knew it, lazily.

        Parameters
        ----------
        by
            ``city`` or ``basin``.
        start, end
            First and last day, month or year; by default the whole record.

        Returns
        -------
        xarray.DataArray
            As of :func:`pipeline.nights.zone_arrays.read_rain`.
        """
        rain = zone_arrays.read_rain(self.snapshot, by, *span_of(start, end))
        return rain.assign_attrs(self._mark())

    def index(
        self,
        name: str,
        start: Day | None = None,
        end: Day | None = None,
        *,
        by: By = "city",
    ) -> xr.DataArray:
        """Read an index of the grid, or compute one of zones from the night's parameters.

        Parameters
        ----------
        name
            Name such as ``spi_3m`` (months), ``spi_90d`` (days), ``wet_season_onset`` (years).
        start, end
            First and last day, month or year; by default all that there is.
        by
            ``cell`` (lazy, from the archive), ``basin``, ``city``; ``gauge`` for SDI and low flow.

        Returns
        -------
        xarray.DataArray
            As of :func:`pipeline.nights.zone_arrays.read_index`.

        Raises
        ------
        LookupError
            There is no such index, or what it is made from is not there.
        """
        first, last = span_of(start, end)
        index = zone_arrays.read_index(
            self.snapshot, self.settings.models_dir, name, by=by, start=first, end=last
        )
        return index.assign_attrs(self._mark())

    def low_flow(self) -> pd.DataFrame:
        """Read the forecasts of low flow as issued, a row per gauge and horizon.

        Returns
        -------
        pandas.DataFrame
            Columns station, name, horizon_weeks, valid_time, current_class, stage_percentile (%),
            ``p_d0`` to ``p_d4`` (P(class or drier)), ``p_below_6a`` (P(flow below that of PMFM
            Article 6A)), tier. Empty where the night forecast none.
        """
        columns = ["station", "name", "horizon_weeks", "valid_time", "current_class",
                   "stage_percentile", *(f"p_d{number}" for number in range(5)), "p_below_6a",
                   "tier"]  # fmt: skip
        droughts = self.forecasts[1]
        if droughts.empty:
            return pd.DataFrame(columns=columns)
        rows = droughts[droughts["zone"].str.startswith("gauge:")]
        code = rows["zone"].str.removeprefix("gauge:")
        gauges = stations(asof=self.issue_time)
        names = code.map({key: gauge.name for key, gauge in gauges.items()})
        rows = rows.assign(station=code, name=names.fillna(code))
        rows = rows.reindex(columns=columns).reset_index(drop=True)
        rows.attrs |= self._mark()
        return rows

    def explain(self, city: str, hazard: Hazard = "flood") -> str:
        """Explain the published level of a city: each ingredient, the rule, what would change it.

        Parameters
        ----------
        city
            City.
        hazard
            ``flood`` or ``drought``.

        Returns
        -------
        str
            At most ten lines.
        """
        if hazard not in HAZARDS:
            raise LookupError(f"hazard: expected one of {', '.join(HAZARDS)}, found {hazard!r}")
        lines = explain_decision(
            self.folder, self._records, city=self._find_city(city).id, hazard=hazard
        )
        return "\n".join(lines)

    def what_if(
        self,
        *,
        without: str | Collection[str] = (),
        nights: int = 4,
        thresholds: Thresholds | None = None,
        rules: Mapping[str, float | timedelta] | None = None,
    ) -> pd.DataFrame:
        """Decide the night again with other choices, beside what was issued; nothing is written.

        Parameters
        ----------
        without
            Sources left out, by id or its beginning: ``("imerg",)``.
        nights
            For how many nights nothing of them came.
        thresholds
            Other stages in m by city: ``{"Pakse": {"alarm": 10.5, "flood": 11.5}}``.
        rules
            Other values of the rules of ``alert_rules.csv`` and of the probabilities of
            ``cost_loss.csv``: ``{"watch_p_alarm_7d": 0.4}``.

        Returns
        -------
        pandas.DataFrame
            As of :func:`pipeline.nights.alternatives.compare_levels`.

        Raises
        ------
        LookupError, ValueError
            As of :func:`pipeline.nights.alternatives.decide_again`.
        """
        from pipeline.nights.alternatives import compare_levels, decide_again  # noqa: PLC0415

        decisions = decide_again(
            self.run,
            self.settings,
            without=without,
            nights=nights,
            thresholds=thresholds,
            rules=rules,
        )
        levels = compare_levels(decisions, self.levels())
        levels.attrs |= self._mark()
        return levels

    def _find_city(self, city: str) -> City:
        return find_city(city, region=self.settings.region, asof=self.issue_time)

    def _find_gauge(self, city: str) -> Station:
        return find_gauge(city, region=self.settings.region, asof=self.issue_time)

    def _mark(self) -> dict[str, str]:
        """Attributes that say of which night something is, and whether it is an exercise."""
        return {
            "Conventions": "CF-1.11",
            "issue_time": format_utc(self.issue_time),
            "status": self.status,
            "origin": str(self.published["origin"]),
        }


def read_alerts(content: bytes) -> pd.DataFrame:
    """Read ``alerts.csv`` with the types of its columns.

    Parameters
    ----------
    content
        Content of the file; columns that the file of an earlier version lacks are left out.

    Returns
    -------
    pandas.DataFrame
        Numbers as floats, times as naive UTC, booleans, all else text; unknown values NaN, NaT,
        NA or empty. ``attrs["units"]`` has the units by column.
    """
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    columns = [column for column in ALERTS if column.name in table]
    for column in columns:
        text = table[column.name]
        if column.kind in {"number", "integer"}:
            table[column.name] = pd.to_numeric(text.where(text != "", None))
        elif column.kind in {"datetime", "date"}:
            times = pd.to_datetime(text.where(text != "", None), utc=True, format="ISO8601")
            table[column.name] = times.dt.tz_localize(None).astype("datetime64[ns]")
        elif column.kind == "boolean":
            table[column.name] = text.map({"true": True, "false": False}).astype("boolean")
    table.attrs["units"] = {column.name: column.unit for column in columns if column.unit}
    return table
