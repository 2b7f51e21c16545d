"""Step that plots a published night for a city; nothing is computed again.

Only the published trees are read: a figure shows what agencies received, and needs no stores.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.choices import Plot
from pipeline.settings import REFERENCE, Settings
from pipeline.times import from_utc64

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from pipeline.figures.canvas import Provenance
    from pipeline.figures.maps import ZoneMap
    from pipeline.geography.places import City, Station

DAYS_BACK = 30
"""Days before the issue time that a figure shows: those of the published indices."""
NO_GAUGE = "no river gauge here: flood means heavy rain over the city alone"

TIDAL = "tidal: high water can be above the morning reading, and the morning's stage is forecast"


def plot(
    city: str, kind: Plot = "hydrograph", *, asof: datetime | None, settings: Settings | None = None
) -> Figure:
    """Plot a published night for a city.

    Parameters
    ----------
    city
        Id of the city, its name in any language, or the code of its gauge.
    kind
        ``hydrograph``: stage, forecast and rain; ``history``: the forecasts of the last 30 days as
        issued, against the readings; ``indices``: rain and drought indices; ``drought-map`` and
        ``rain-map``: all zones, with the city marked. Without a gauge the first two are
        ``indices``, and the figure says that there is no gauge.
    asof
        Moment whose day the night is of; None is the newest night.
    settings
        Default: from the environment.

    Raises
    ------
    LookupError
        No such night was published, the city is not in it, or it lacks what the figure needs.
    """
    from pipeline.geography.place_search import find_city
    from pipeline.geography.places import stations

    settings = settings or Settings()
    folder = _find_folder(settings.published_dir, asof)
    issue_time = datetime.fromisoformat(_read_json(folder / "index.json")["issue_time"])
    place = find_city(city, region=settings.region, asof=issue_time)
    if kind == "drought-map":
        return _plot_drought_map(folder, place)
    if kind == "rain-map":
        return _plot_rain_map(folder, place)
    if kind == "indices" or place.station is None:
        return _plot_indices(folder, place)
    gauge = stations(asof=issue_time)[place.station]
    if kind == "history":
        return _plot_history(settings.published_dir, folder, place, gauge)
    return _plot_hydrograph(folder, place, gauge)


def _find_folder(published: Path, asof: datetime | None) -> Path:
    from pipeline.issuance.explanation import find_night

    if asof is not None:
        return find_night(published, asof).resolve()
    if not (published / "latest" / "index.json").is_file():
        raise LookupError(f"expected a night published in {published}, found none")
    return (published / "latest").resolve()


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def _read_gauge(folder: Path, name: str, station: str) -> pd.DataFrame:
    """Rows of a gauge in a table of a tree, with times as naive UTC."""
    import pandas as pd

    from pipeline.exchange.forecast_files import read_table

    table = read_table((folder / name).read_bytes())
    rows = table[table["station_id"] == station].copy()
    for column in {"valid_time", "issue_time"} & set(rows.columns):
        rows[column] = pd.to_datetime(rows[column], utc=True).dt.tz_localize(None)
    return rows.sort_values("valid_time")


def _read_alerts(folder: Path, city: City) -> pd.DataFrame:
    """Rows of the city in ``alerts.csv``, by hazard."""
    import pandas as pd

    table = pd.read_csv(folder / "alerts.csv", dtype=str, keep_default_na=False)
    rows = table[table["city"] == city.id].set_index("hazard")
    if not {"flood", "drought"} <= set(rows.index):
        raise LookupError(f"expected {city.id} in {folder / 'alerts.csv'}, found none")
    return rows


def _describe(folder: Path, statuses: set[str]) -> Provenance:
    """Issue time and source of a tree, with the least of the statuses."""
    from pipeline.figures.canvas import Provenance, name_source

    index = _read_json(folder / "index.json")
    status = next(word for word in ("Exercise", "Test", "Actual") if word in statuses)
    source = name_source(index["origin"])
    return Provenance(status, datetime.fromisoformat(index["issue_time"]), source)


def _provenance_of(folder: Path, city: City) -> Provenance:
    return _describe(folder, set(_read_alerts(folder, city)["status"]))


def _open_indices(folder: Path) -> xr.Dataset:
    """Open the indices of a tree in memory: the file may be removed with its tree."""
    import xarray as xr

    path = folder / "risk.nc"
    if not path.is_file():
        raise LookupError(f"expected rain and drought indices in {path}, found none: no rain data")
    with xr.open_dataset(path) as dataset:
        return dataset.load()


def _series(dataset: xr.Dataset, name: str, city: City) -> pd.Series:
    values: pd.Series = dataset[name].sel(zone=f"city:{city.id}").to_series()
    return values


def _rain(folder: Path, city: City, issue_time: datetime) -> pd.Series:
    """Rain of the days before the issue time; all of it not known in a tree without indices."""
    import pandas as pd

    if (folder / "risk.nc").is_file():
        return _series(_open_indices(folder), "rain_1d", city)
    last = pd.Timestamp(issue_time).tz_convert(None).floor("D") - pd.Timedelta(days=1)
    return pd.Series(math.nan, index=pd.date_range(end=last, periods=DAYS_BACK, freq="D"))


def _gauge_facts(folder: Path, city: City, gauge: Station) -> dict[str, Any]:
    """Collect what both figures of a gauge need of a tree."""
    import pandas as pd

    row = _read_alerts(folder, city).loc["flood"]
    provenance = _provenance_of(folder, city)
    since = pd.Timestamp(provenance.issue_time).tz_convert(None) - pd.Timedelta(days=DAYS_BACK)
    readings = _read_gauge(folder, "stages.csv", gauge.code).groupby("valid_time")["stage_m"].last()
    return {
        "readings_m": readings[readings.index >= since],
        "provenance": provenance,
        "thresholds_m": {
            kind: float(str(row[f"{kind}_m"])) if row[f"{kind}_m"] else None
            for kind in ("alarm", "flood")
        },
        "datum": None if gauge.zero_m_amsl is None else "gauge zero",
        "verified": row["threshold_verified"] == "true",
        "utc_offset_h": city.utc_offset_h,
    }


def _name_gauge(city: City, gauge: Station) -> str:
    name = city.name if city.name == gauge.name else f"{city.name}, gauge {gauge.name}"
    return f"{name} ({gauge.code}, {gauge.river})"


def _plot_hydrograph(folder: Path, city: City, gauge: Station) -> Figure:
    from models.stage.names import QUANTILES
    from pipeline.figures.hydrograph import plot_hydrograph

    rows = _read_gauge(folder, "forecasts.csv", gauge.code)
    names = {f"{name}_m": name for name in QUANTILES}
    forecast = rows.rename(columns=names).set_index("valid_time")[[*names.values(), "issued_as"]]
    facts = _gauge_facts(folder, city, gauge)
    return plot_hydrograph(
        _name_gauge(city, gauge),
        forecast=forecast,
        rain_mm=_rain(folder, city, facts["provenance"].issue_time),
        notes=[note for note in [TIDAL if gauge.tidal else gauge.note] if note],
        **facts,
    )


def _plot_history(published: Path, folder: Path, city: City, gauge: Station) -> Figure:
    import pandas as pd

    from pipeline.exchange.publication import STAMP, folder_name
    from pipeline.figures.history import plot_history

    facts = _gauge_facts(folder, city, gauge)
    last = facts["provenance"].issue_time
    span = folder_name(last - timedelta(days=DAYS_BACK)), folder_name(last)
    nights = [
        night
        for night in sorted(published.iterdir())
        if STAMP.fullmatch(night.name)
        and span[0] <= night.name <= span[1]
        and (night / "forecasts.csv").is_file()
    ]
    issued = pd.concat([_read_gauge(night, "forecasts.csv", gauge.code) for night in nights])
    if issued["q50_m"].isna().all():
        raise LookupError(f"expected a forecast published for gauge {gauge.code}, found none")
    statuses = {*issued["status"], facts["provenance"].status}
    return plot_history(
        _name_gauge(city, gauge),
        issued=issued.rename(columns={"q50_m": "q50"}),
        **{**facts, "provenance": _describe(folder, statuses)},
    )


def _plot_indices(folder: Path, city: City) -> Figure:
    from pipeline.figures.conditions import Panel, plot_conditions

    dataset = _open_indices(folder)
    classes = _series(dataset, "drought_class", city).map(_class_names(dataset))
    return plot_conditions(
        f"{city.name}, 25 km around",
        _series(dataset, "rain_1d", city),
        [
            Panel(
                "SPI",
                {f"SPI of {days} days": _series(dataset, f"spi{days}", city) for days in (30, 90)},
            ),
            Panel(
                "soil moisture,\npercentile",
                {"soil moisture": _series(dataset, "soil_moisture_percentile", city)},
                (0.0, 100.0),
            ),
            Panel(
                "vegetation\nhealth, %",
                {"vegetation health": _series(dataset, "vhi", city)},
                (0.0, 100.0),
            ),
        ],
        classes,
        provenance=_provenance_of(folder, city),
        notes=() if city.station else (NO_GAUGE,),
        utc_offset_h=city.utc_offset_h,
    )


def _class_names(dataset: xr.Dataset) -> dict[float, str]:
    """Name of each drought class by its number, as the file says."""
    attrs = dataset["drought_class"].attrs
    numbers = [float(number) for number in attrs["flag_values"]]
    return dict(zip(numbers, attrs["flag_meanings"].split(), strict=True))


def _plot_drought_map(folder: Path, city: City) -> Figure:
    from pipeline.figures.maps import plot_classes

    dataset = _open_indices(folder)
    last = dataset["drought_class"].isel(time=-1)
    names = _class_names(dataset)
    classes = {str(zone): names.get(float(value)) for zone, value in last.to_series().items()}
    return plot_classes(
        f"Drought class of {_day_of(last)}",
        _zones(folder, city),
        classes,
        provenance=_describe(folder, {_read_json(folder / "index.json")["status"]}),
    )


def _plot_rain_map(folder: Path, city: City) -> Figure:
    from pipeline.figures.maps import plot_rain

    last = _open_indices(folder)["rain_7d"].isel(time=-1)
    return plot_rain(
        f"Rain of seven days up to {_day_of(last)}, mm",
        _zones(folder, city),
        {str(zone): float(value) for zone, value in last.to_series().items()},
        provenance=_describe(folder, {_read_json(folder / "index.json")["status"]}),
    )


def _day_of(values: xr.DataArray) -> str:
    day = from_utc64(values["time"].to_numpy().max())
    return f"{day.day} {day:%B %Y} (UTC)"


def _zones(folder: Path, city: City) -> ZoneMap:
    """Outlines of the sub-basins and places of the cities in a tree, with the rivers."""
    import numpy as np

    from pipeline.figures.maps import ZoneMap

    features = _read_json(folder / "zones.geojson")["features"]
    outlines = {
        feature["id"]: np.array(feature["geometry"]["coordinates"][0])
        for feature in features
        if feature["properties"]["kind"] == "basin"
    }
    dataset = _open_indices(folder)
    places = {
        str(zone): (str(name), float(lon), float(lat))
        for zone, name, lon, lat in zip(
            *(dataset[key].to_numpy() for key in ("zone", "zone_name", "lon", "lat")), strict=True
        )
        if str(zone).startswith("city:")
    }
    rivers = [
        np.array(line)
        for feature in _read_json(REFERENCE / "rivers.geojson")["features"]
        for line in feature["geometry"]["coordinates"]
    ]
    return ZoneMap(outlines, places, rivers, marked=f"city:{city.id}")
