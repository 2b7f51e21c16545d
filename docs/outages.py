"""Measure what a night loses with sources dead: ``python -m docs.outages`` (15 min on one core).

On the showcase night of the virtual basin, which must have been published: every single source and
every pair is withheld as if nothing of it had come in the last night, or in the last ten. The tiers
and levels are those of the flood night; the skill is that of its models on mornings of the season
that they were not trained on. Writes the tables in docs/outages.md; the figures are synthetic.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import sqlalchemy as sa
import xarray as xr

from docs.make import between, table
from models import registry
from models.stage import model as stage_model
from models.stage.features import StageInputs
from models.verification.metrics import skill_score
from pipeline import steps
from pipeline.alerts.decision import Decision
from pipeline.alerts.levels import RAISED, Level
from pipeline.areal import daily_series
from pipeline.areal import means as zonal_means
from pipeline.areal.update import RECENT
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import zones
from pipeline.geography.zonal import zonal_mean
from pipeline.issuance.decide import decide_cities
from pipeline.issuance.forecasts import forecast_droughts, forecast_stages
from pipeline.issuance.products import assess_city_rain, compute_risk_indices
from pipeline.issuance.snapshot import Snapshot, read_stage_inputs
from pipeline.settings import ROOT, Settings
from pipeline.storage.archive import Archive
from pipeline.storage.database import readings
from pipeline.storage.records import Records
from pipeline.times import utc64
from pipeline.virtual import SHOWCASE
from pipeline.virtual.basin import VirtualBasin

ASOF = datetime(SHOWCASE.year, SHOWCASE.month, SHOWCASE.day, 0, 30, tzinfo=UTC)
PRODUCTS = {
    "IMERG": ("imerg_late", "imerg_early", "imerg_daily"),
    "GK2A": ("gk2a", "gk2a_ir"),
    "SMAP": ("smap",),
    "vegetation": ("ndvi", "lst"),
    "gauges": (),
}
CASES = [(), *((one,) for one in PRODUCTS), *combinations(PRODUCTS, 2)]
NIGHTS = 1, 10
DAY = timedelta(days=1)
JUDGED = pd.date_range(f"{SHOWCASE.year}-06-15", f"{SHOWCASE.year}-08-12", freq="6D")
"""Mornings after the last one that the models were trained on."""
LEADS = 1, 3, 5, 7
SLOT = timedelta(minutes=30)


class Withheld(Archive):
    """Archive of a night in which some products have given nothing since a moment."""

    def __init__(self, folder: Path, *, dead: Collection[str], since: datetime) -> None:
        super().__init__(folder)
        self._dead, self._since = dead, utc64(since)

    def _open(self, product: str) -> xr.Dataset:
        ds = super()._open(product)
        if product in self._dead:
            ds = ds.isel(time=ds["available_time"].values < self._since)
        return ds


def prepared(settings: Settings, place: Path) -> Settings:
    """Copy the showcase night's stores and add GK2A's rain as ten nights have brought it."""
    shutil.copytree(settings.data_dir, place / "data", symlinks=True)
    copy = settings.model_copy(update={"data_dir": place / "data", "records_url": None})
    for moment in (ASOF - 5 * DAY, ASOF):
        steps.simulate(asof=moment, settings=copy)
        steps.ingest("gk2a", asof=moment, settings=copy)
    return copy


def decided(settings: Settings, case: tuple[str, ...], nights: int, place: Path) -> list[Decision]:
    """Make the night again without what some sources gave in the last nights; what it decides."""
    since = ASOF - nights * DAY
    shutil.copytree(settings.archive_dir, place / "archive")
    dead = {product for name in case for product in PRODUCTS[name]}
    archive = Withheld(place / "archive", dead=dead, since=since)
    end = ASOF.replace(hour=0, minute=0)
    record, shares, _ = daily_series.make_daily_series(
        archive, asof=ASOF, start=end - RECENT, end=end, region=settings.region
    )
    archive.append("zones", record, message="withheld")
    archive.append("rain_shares", shares, message="withheld")
    url = f"sqlite:///{place / 'records.db'}"
    source = sa.create_engine(settings.database)
    with source.begin() as connection:
        connection.execute(sa.text("VACUUM INTO :to"), {"to": str(place / "records.db")})
    if "gauges" in case:
        late = readings.c.available_time > int(since.timestamp())
        with sa.create_engine(url).begin() as connection:
            connection.execute(readings.delete().where(late))
    models, metadata = registry.load_last(settings.models_dir, asof=ASOF)
    view = Snapshot(archive, Records(url), ASOF, models, metadata["version"])
    stages, droughts = forecast_stages(view), forecast_droughts(view)
    rain = assess_city_rain(view, compute_risk_indices(view))
    return decide_cities(view, stages, droughts, rain=rain, before=[], revisions=[], cancelled=())


def counted(found: list[Decision], whole: list[Decision]) -> tuple[str, ...]:
    """Cells of the table: tiers, cities UNKNOWN, and alerts that are kept."""
    floods = [one for one in found if one.hazard == "flood"]
    tiers = Counter(one.river.tier for one in floods if one.river)
    blind = sum(one.level is Level.UNKNOWN for one in floods)
    river = sum(one.level is Level.UNKNOWN and one.river_level is Level.NONE for one in floods)
    droughts = [one for one in found if one.hazard == "drought"]
    pairs = [(a, b) for a, b in zip(found, whole, strict=True) if b.level in RAISED]
    kept = sum(a.level in RAISED for a, _ in pairs)
    return (
        ", ".join(f"{count} {tier}" for tier, count in tiers.most_common()),
        f"{blind} ({river})",
        str(sum(one.level is Level.UNKNOWN for one in droughts)),
        f"{kept} of {len(pairs)}",
    )


def gk2a_days(basin: VirtualBasin, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Rain of GK2A alone over each zone, mm, a row per morning after the day."""
    dates = pd.date_range(first, last)
    rain = []
    for date in dates:
        start = date.to_pydatetime().replace(tzinfo=UTC) - DAY
        seen = [basin.gk2a(start + n * SLOT) for n in range(48)]
        rain.append(np.mean(seen, axis=0) * 24.0)
    grids = MEKONG.dataset(dates.to_numpy(), rain=np.stack(rain).astype("f4"))["rain"]
    mean, _ = zonal_mean(grids, zonal_means.zone_weights("mekong"), list(zones()))
    return pd.DataFrame(mean.values, index=dates, columns=list(zones()))


def withheld(
    inputs: StageInputs, case: tuple[str, ...], nights: int, gk2a: pd.DataFrame
) -> StageInputs:
    """Take what some sources gave in the last nights out of a morning's inputs."""
    last = inputs.stage.index[-nights:]
    rain, stage_m, evening = inputs.rain.copy(), inputs.stage.copy(), inputs.evening.copy()
    soil, newest, age_h = (
        None if frame is None else frame.copy()
        for frame in (inputs.soil_moisture, inputs.newest, inputs.newest_age_h)
    )
    if "IMERG" in case:
        rain.loc[last] = np.nan if "GK2A" in case else gk2a.loc[last, rain.columns]
    if "SMAP" in case and soil is not None:
        soil.loc[last] = np.nan
    if "gauges" in case:
        stage_m.loc[last], evening.loc[last] = np.nan, np.nan
        if newest is not None and age_h is not None:
            before = inputs.stage.index[-nights - 1]
            for date in last:
                newest.loc[date] = newest.loc[before]
                age_h.loc[date] = age_h.loc[before] + (date - before) / pd.Timedelta(1, "h")
    return replace(
        inputs, rain=rain, stage=stage_m, evening=evening, soil_moisture=soil,
        newest=newest, newest_age_h=age_h,
    )  # fmt: skip


def skills(settings: Settings) -> dict[tuple[tuple[str, ...], int], dict[int, float]]:
    """Median over the gauges of CP by lead, for each case and number of nights."""
    models, _ = registry.load_last(settings.models_dir, asof=ASOF)
    view = Snapshot(Archive(settings.archive_dir), Records(settings.database), ASOF, models, "")
    inputs = read_stage_inputs(view, start=ASOF - timedelta(days=200))
    inputs = replace(inputs, rain=inputs.rain[[c for c in inputs.rain if c in zones()]])
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    gk2a = gk2a_days(basin, JUDGED[0] - 10 * DAY, JUDGED[-1])
    found: dict[tuple[tuple[str, ...], int], dict[int, float]] = {}
    made: dict[tuple[frozenset[str], int], dict[int, float]] = {}
    for case in CASES:
        blind = {*case} - {"vegetation"} - ({"GK2A"} if "IMERG" not in case else set())
        for nights in NIGHTS if case else (0,):
            key = frozenset(blind), nights if blind else 0
            if key in made:
                found[case, nights] = made[key]
                continue
            errors = []
            for date in JUDGED:
                recent = inputs.until(date).last(stage_model.HISTORY_D)
                seen = withheld(recent, case, nights, gk2a) if case else recent
                rows = stage_model.predict_dates(
                    models["stage"], seen, dates=[date], model_version=""
                )  # fmt: skip
                errors.append(_errors(rows, inputs.stage, date))
            found[case, nights] = made[key] = _cp(pd.concat(errors))
    return found


def _errors(rows: pd.DataFrame, observed: pd.DataFrame, date: pd.Timestamp) -> pd.DataFrame:
    """Squared errors of the forecasts and of persistence from the morning's true stage, m2."""
    rows = rows[rows["lead_days"].isin(LEADS) & rows["station"].isin(observed.columns)]
    came = [
        observed[code].get(date + lead * DAY, np.nan)
        for code, lead in zip(rows["station"], rows["lead_days"], strict=True)
    ]
    stood = observed.loc[date].reindex(rows["station"]).to_numpy()
    return rows[["station", "lead_days"]].assign(
        ours=(rows["mean_m"].to_numpy() - came) ** 2, persistence=(stood - np.array(came)) ** 2
    )


def _cp(errors: pd.DataFrame) -> dict[int, float]:
    sums = errors.dropna().groupby(["lead_days", "station"])[["ours", "persistence"]].sum()
    cp = pd.Series(skill_score(sums["ours"], sums["persistence"]), sums.index)
    median = cp.groupby("lead_days").median()
    return dict(zip(map(int, median.index), map(float, median), strict=True))


def main() -> None:
    """Measure, and write both tables."""
    whole: list[Decision] = []
    rows = []
    with TemporaryDirectory() as folder:
        settings = prepared(Settings(), Path(folder))
        for case in CASES:
            for nights in NIGHTS if case else (0,):
                with TemporaryDirectory() as place:
                    found = decided(settings, case, nights, Path(place))
                whole = whole or found
                name = " and ".join(case) or "none"
                rows.append((name, str(nights or "–"), *counted(found, whole)))
                print(*rows[-1], sep=" | ", flush=True)
        skill = skills(settings)
    base = skill[(), 0]
    lost = [
        (
            " and ".join(case) or "none",
            str(nights or "–"),
            *(
                f"{cp[lead] - base[lead]:+.2f}" if case else f"CP {base[lead]:.2f}"
                for lead in LEADS
            ),
        )
        for (case, nights), cp in skill.items()
    ]
    path = ROOT / "docs" / "outages.md"
    text = path.read_text(encoding="utf-8")
    head = ("dead", "nights", "tiers of the gauged cities", "floods UNKNOWN (river `none`)",
            "droughts UNKNOWN", "alerts kept")  # fmt: skip
    text = between(text, "night", table(head, rows))
    leads = ("dead", "nights", *(f"{lead} d" for lead in LEADS))
    text = between(text, "skill", table(leads, lost))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
