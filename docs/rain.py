"""Measure what a morning loses with each rain product dead: ``python -m docs.rain`` (a minute).

On the virtual basin: the rain of yesterday over each sub-basin as a night at 00:30 UTC blends it,
against the rain that fell. Writes the table in docs/hydrologist.md; the figures are synthetic.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from docs.make import between, table
from pipeline.areal import blend
from pipeline.areal import means as zonal_means
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import basins, zones
from pipeline.geography.variables import LEAST_HALF_HOURS
from pipeline.geography.zonal import zonal_mean
from pipeline.settings import ROOT, Settings
from pipeline.sources import SOURCES
from pipeline.virtual.basin import VirtualBasin

LEARNT = [date(2016, month, day) for month in range(6, 11) for day in (2, 8, 14, 20, 26)]
JUDGED = [date(2017, month, day) for month in range(6, 11) for day in (1, 5, 9, 13, 17, 21, 25, 28)]
SLOT = timedelta(minutes=30)


def rates(basin: VirtualBasin, day: date, *, all_late: bool) -> dict[str, xr.DataArray]:
    """Collect what each product had said of a day by half past midnight, or Late of all of it."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    asof = start + timedelta(days=1, minutes=30)
    times = [start + n * SLOT for n in range(48)]
    found = {}
    for product, run in (("imerg_late", "late"), ("imerg_early", "early"), ("gk2a", "gk2a")):
        row = SOURCES[product]
        fields = []
        for time in times:
            known = time + SLOT + row.latency <= asof and time >= asof - row.lookback
            if product == "gk2a":
                seen = [basin.gk2a(time + n * timedelta(minutes=10)) for n in range(3) if known]
                field = np.mean(seen, axis=0) if seen else None
            elif known or (all_late and product == "imerg_late"):
                field = basin.imerg(time, "late" if run == "late" else "early")
            else:
                field = None
            fields.append(np.full(MEKONG.shape, np.nan, "f4") if field is None else field)
        moments = np.array([time.replace(tzinfo=None) for time in times], "datetime64[ns]")
        ds = MEKONG.dataset(moments, rain_rate=np.stack(fields).astype("f4"))
        found[product] = ds["rain_rate"].drop_vars("spatial_ref")
    return found


def zonal(grids: xr.DataArray) -> xr.DataArray:
    """Means over the sub-basins."""
    mean, _ = zonal_mean(grids, zonal_means.zone_weights("mekong"), list(zones()))
    return mean.isel(zone=[name.startswith("basin:") for name in zones()])


def day_sum(rain_rate: xr.DataArray) -> NDArray[np.float64]:
    """Rain of the day over each sub-basin, mm, NaN with less than 80 % of its half-hours."""
    mean = zonal(rain_rate).values
    enough = np.isfinite(mean).sum(0) >= LEAST_HALF_HOURS
    return np.where(enough, np.nanmean(np.where(enough, mean, 0.0), axis=0) * 24, np.nan)


def main() -> None:
    """Measure, and write the table."""
    settings = Settings()
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    told = []
    for day in LEARNT:
        whole = {name: zonal(one) for name, one in rates(basin, day, all_late=True).items()}
        told.append(blend.sum_pairs(whole))
    fitted = blend.fit_mapping(xr.concat(told, "time").sortby("time"))
    cases: dict[str, tuple[tuple[str, ...], xr.Dataset | None]] = {
        "all three": ((), fitted),
        "all three, neither mapped nor learnt": ((), None),
        "Late dead": (("imerg_late",), fitted),
        "Early dead": (("imerg_early",), fitted),
        "GK2A dead": (("gk2a",), fitted),
        "Late and Early dead": (("imerg_late", "imerg_early"), fitted),
    }
    found: dict[str, list[NDArray[np.float64]]] = {case: [] for case in cases}
    truth = []
    for day in JUDGED:
        told_by = rates(basin, day, all_late=False)
        fell = basin.rain_day(day)[None]
        moment = np.array([day], "datetime64[ns]")
        truth.append(zonal(MEKONG.dataset(moment, rain=fell)["rain"]).values[0])
        for case, (dead, mapping) in cases.items():
            left = {name: one for name, one in told_by.items() if name not in dead}
            blended = blend.blend_rates(left, mapping, zonal_means.sub_basin_of_cells("mekong"))
            found[case].append(day_sum(blended["rain_rate"]))
    fell = np.array(truth)
    rows = []
    for case, days in found.items():
        rain = np.array(days)
        seen = np.isfinite(rain)
        error = (rain - fell)[seen]
        both = np.corrcoef(rain[seen], fell[seen])[0, 1] if seen.any() else np.nan
        rows.append(
            (
                case,
                f"{100 * seen.mean():.0f} %",
                f"{np.sqrt(np.mean(error**2)):.1f}" if seen.any() else "–",
                f"{error.mean():+.1f}" if seen.any() else "–",
                f"{both:.2f}" if seen.any() else "–",
            )
        )
    head = ("yesterday's rain at 00:30 UTC", "has a value", "RMSE, mm", "bias, mm", "correlation")
    words = (
        f"Synthetic (virtual basin): {len(JUDGED)} mornings of June to October 2017 over "
        f"{len(basins())} sub-basins, mean {fell.mean():.1f} mm; mapping learnt from "
        f"{len(LEARNT)} days of 2016."
    )
    path = ROOT / "docs" / "hydrologist.md"
    text = between(path.read_text(encoding="utf-8"), "rain", f"{words}\n\n{table(head, rows)}")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
