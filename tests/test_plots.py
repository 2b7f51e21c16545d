"""Figures of a tree with known numbers, written by the writers of published files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from matplotlib.patches import Polygon

from models.stage.names import QUANTILES
from pipeline import plots
from pipeline.choices import Plot
from pipeline.exchange.forecast_files import write_forecasts, write_stages
from pipeline.exchange.issue import Issue
from pipeline.exchange.zone_files import write_zones
from pipeline.geography import places
from pipeline.settings import Settings
from tests.figures.figure_cases import ISSUED, hatched_days, legend, line, texts

PAKSE, MY_THUAN = "013901", "019804"
DAY = timedelta(days=1)


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=folder, upstream="archive", records_url=None)


def forecast(when: datetime, code: str, **changed: Any) -> pd.DataFrame:
    """Seven days at 12.0 m, quantiles 10 cm apart from one to the next."""
    issued = pd.Timestamp(when).tz_convert(None)
    rows = [
        {
            "issue_time": issued, "station": code, "lead_days": lead,
            "valid_time": issued.floor("D") + pd.Timedelta(days=lead),
            **{name: 11.6 + 0.1 * k for k, name in enumerate(QUANTILES)},
            "mean_m": 12.0, "p_alarm": 1.0, "p_flood": 0.5, "p_alarm_by": 1.0, "p_flood_by": 0.5,
            "tier": "full", "issued_as": "model", "skilful_until_day": 7, "extrapolated": False,
        }
        | changed
        for lead in range(1, 8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def readings(when: datetime, code: str) -> pd.DataFrame:
    """A reading a day for 60 days, up to 11.9 m on the morning of the issue."""
    times = pd.date_range(end=pd.Timestamp(when).tz_convert(None).floor("D"), periods=60)
    stages = 11.9 - 0.1 * np.arange(60)[::-1]
    return pd.DataFrame(
        {"station": code, "valid_time": times, "value": stages, "qc": "good", "method": "manual"}
    )


def alerts(status: str) -> pd.DataFrame:
    """Both hazards of each city, thresholds of Pakse alone."""
    rows = [
        {"status": status, "city": city, "hazard": hazard, "alarm_m": "", "flood_m": "",
         "threshold_verified": ""}
        for city in places.cities()
        for hazard in ("drought", "flood")
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    of_pakse = (table["city"] == "pakse") & (table["hazard"] == "flood")
    table.loc[of_pakse, ["alarm_m", "flood_m", "threshold_verified"]] = ["11.0", "12.0", "true"]
    return table


def indices(when: datetime) -> xr.Dataset:
    """Rain of 7 mm a day, not known on the second; D2 around Pakse, elsewhere none."""
    zones = [*places.zones()]
    days = pd.date_range(end=pd.Timestamp(when).tz_convert(None).floor("D") - DAY, periods=30)
    shape = (len(zones), len(days))
    dataset = xr.Dataset(
        {
            name: (("zone", "time"), np.full(shape, value, dtype="float32"))
            for name, value in {
                "rain_1d": 7.0, "rain_7d": 49.0, "spi30": -1.0, "spi90": -1.5, "vhi": 40.0,
                "soil_moisture_percentile": 20.0, "drought_class": -1.0,
            }.items()
        },
        {"zone": zones, "time": days},
    )  # fmt: skip
    dataset["rain_1d"][:, 1] = np.nan
    dataset["drought_class"].loc[{"zone": "city:pakse"}] = 2.0
    dataset["drought_class"].loc[{"zone": "basin:chi"}] = np.nan
    dataset["drought_class"].attrs = {
        "flag_values": np.array([-1, 0, 1, 2, 3, 4], dtype="float32"),
        "flag_meanings": "none D0 D1 D2 D3 D4",
    }
    named = {f"city:{city.id}": city for city in places.cities().values()}
    dataset["zone_name"] = "zone", [named[z].name if z in named else z for z in zones]
    dataset["lon"] = "zone", [named[z].lon if z in named else 0.0 for z in zones]
    dataset["lat"] = "zone", [named[z].lat if z in named else 0.0 for z in zones]
    return dataset


def publish(folder: Path, when: datetime, *, status: str = "Exercise", **changed: Any) -> Path:
    """Write the tree of a night, as far as figures read it; return its folder."""
    origin = "virtual" if status == "Exercise" else "measured"
    issue = Issue(issue_time=when, status=status, origin=origin)
    night = settings_of(folder).published_dir / f"{when:%Y%m%dT%H%MZ}"
    night.mkdir(parents=True)
    codes = (PAKSE, MY_THUAN)
    table = pd.concat([forecast(when, code, **changed) for code in codes])
    (night / "forecasts.csv").write_bytes(write_forecasts(table, issue))
    stages = pd.concat([readings(when, code) for code in codes])
    (night / "stages.csv").write_bytes(write_stages(stages, issue))
    (night / "zones.geojson").write_bytes(write_zones("mekong", issue))
    alerts(status).to_csv(night / "alerts.csv", index=False)
    indices(when).to_netcdf(night / "risk.nc")
    index = {"issue_time": when.isoformat(), "status": status, "origin": origin}
    (night / "index.json").write_text(json.dumps(index))
    latest = night.parent / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(night.name)
    return night


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    publish(tmp_path, ISSUED)
    return settings_of(tmp_path)


def test_the_hydrograph_is_of_the_published_tables(settings: Settings) -> None:
    figure = plots.plot("pakse", asof=None, settings=settings)
    rain, stage = figure.axes
    assert line(stage, "reading").iloc[-1] == 11.9
    assert len(line(stage, "reading")) == 30, "of 60 days"
    median = line(stage, "forecast median")
    assert median.tolist() == [11.9, *[12.0] * 7]
    assert median.index[0] == pd.Timestamp("2026-08-20 07:00")
    assert hatched_days(rain)[0] == ("07-22 07:00", "07-23 07:00")
    words = texts(figure)
    for word in ("Pakse (013901, Mekong)", "alarm stage 11.00 m", "flood stage 12.00 m",
                 "EXERCISE", "Source: virtual basin, not measured",
                 "Issued 2026-08-20 00:30 UTC"):  # fmt: skip
        assert word in words
    assert "not verified" not in words


def test_a_tidal_gauge_without_thresholds_says_so(settings: Settings) -> None:
    words = texts(plots.plot("vinh_long", asof=None, settings=settings))
    assert "Vinh Long, gauge My Thuan (019804, Mekong)" in words
    assert "alarm stage: not known\nflood stage: not known\ntidal: high water" in words


def test_a_gauge_that_reports_an_absolute_level_says_so(settings: Settings) -> None:
    figure = plots.plot("jinghong", asof=None, settings=settings)
    assert figure.axes[-1].get_ylabel() == "stage, m"
    assert "Reports an absolute level" in texts(figure)
    assert len(hatched_days(figure.axes[-1])) == 2, "neither readings nor a forecast"


def test_a_tree_without_indices_has_no_rain_rather_than_none(settings: Settings) -> None:
    (settings.published_dir / "latest" / "risk.nc").unlink()
    rain = plots.plot("pakse", asof=None, settings=settings).axes[0]
    assert len(hatched_days(rain)) == 31, "thirty days and those ahead"
    for kind in ("indices", "drought-map", "rain-map"):
        with pytest.raises(LookupError, match=r"risk\.nc, found none: no rain data"):
            plots.plot("pakse", kind, asof=None, settings=settings)


@pytest.mark.parametrize("kind", ["hydrograph", "history", "indices"])
def test_a_city_without_a_gauge_has_its_indices_and_says_so(settings: Settings, kind: Plot) -> None:
    figure = plots.plot("yangon", kind, asof=None, settings=settings)
    words = texts(figure)
    assert "Yangon, 25 km around: rain and drought" in words
    assert "no river gauge here: flood means heavy rain over the city alone" in words
    assert "local time (UTC+6:30)" in words
    assert line(figure.axes[1], "SPI of 90 days").tolist() == [-1.5] * 30
    assert "no river gauge" not in texts(
        plots.plot("pakse", "indices", asof=None, settings=settings)
    )


def test_the_history_is_of_the_nights_that_were_published(tmp_path: Path) -> None:
    for days in (40, 5, 3, 0):
        publish(tmp_path, ISSUED - days * DAY)
    figure = plots.plot("pakse", "history", asof=None, settings=settings_of(tmp_path))
    assert "forecasts of 3 mornings" in texts(figure), "not that of 40 days ago"
    crosses = line(figure.axes[0], "no forecast that morning")
    assert [f"{pd.Timestamp(day):%d}" for day in crosses.index] == ["16", "18", "19"]
    earlier = plots.plot("pakse", "history", asof=ISSUED - 3 * DAY, settings=settings_of(tmp_path))
    assert "forecasts of 2 mornings" in texts(earlier), "nothing of later nights"
    assert "Issued 2026-08-17" in texts(earlier)


def test_one_exercise_marks_the_whole_history(tmp_path: Path) -> None:
    publish(tmp_path, ISSUED - DAY)
    publish(tmp_path, ISSUED, status="Test")
    settings = settings_of(tmp_path)
    assert "EXERCISE" in texts(plots.plot("pakse", "history", asof=None, settings=settings))
    hydrograph = texts(plots.plot("pakse", asof=None, settings=settings))
    assert "TEST" in hydrograph
    assert "EXERCISE" not in hydrograph
    assert "Source: satellites and river gauges as used" in hydrograph


def test_a_city_s_own_status_counts(tmp_path: Path) -> None:
    night = publish(tmp_path, ISSUED, status="Actual")
    settings = settings_of(tmp_path)
    assert "TEST" not in texts(plots.plot("pakse", asof=None, settings=settings))
    table = pd.read_csv(night / "alerts.csv", dtype=str, keep_default_na=False)
    table.loc[(table["city"] == "pakse") & (table["hazard"] == "flood"), "status"] = "Test"
    table.to_csv(night / "alerts.csv", index=False)
    assert "TEST" in texts(plots.plot("pakse", asof=None, settings=settings))


def test_maps_are_of_the_last_day_and_mark_the_city(settings: Settings) -> None:
    figure = plots.plot("pakse", "drought-map", asof=None, settings=settings)
    zones = {part.get_label(): part for part in figure.axes[0].patches if isinstance(part, Polygon)}
    assert len([*zones]) == len(places.basins())
    assert zones["basin:chi"].get_hatch()
    assert not zones["basin:mun"].get_hatch()
    (dot,) = [dot for dot in figure.axes[0].lines if dot.get_label() == "city:pakse"]
    assert to_hex(dot.get_markerfacecolor()) == "#ffaa00"
    assert {"Pakse", "Drought class of 19 August 2026 (UTC)"} <= {*texts(figure).split("\n")}
    assert "not known" in legend(figure)
    rain = plots.plot("pakse", "rain-map", asof=None, settings=settings)
    assert "Rain of seven days up to 19 August 2026 (UTC), mm" in texts(rain)
    assert "49" in {text.get_text() for text in rain.axes[0].texts}


def test_a_city_is_found_by_any_name(settings: Settings) -> None:
    by_id, by_name = (
        texts(plots.plot(city, "indices", asof=None, settings=settings))
        for city in ("pakse", "ປາກເຊ")
    )
    assert by_id == by_name


def test_what_is_not_there_is_said(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="found 'Pakze'; near: Pakse"):
        plots.plot("Pakze", asof=None, settings=settings)
    with pytest.raises(LookupError, match=r"expected a night published in .*, found none"):
        plots.plot("pakse", asof=datetime(2020, 1, 1, tzinfo=UTC), settings=settings)
    with pytest.raises(LookupError, match=r"expected a night published in .*, found none"):
        plots.plot("pakse", asof=None, settings=settings_of(tmp_path / "empty"))
    with pytest.raises(LookupError, match="expected a forecast published for gauge 092600"):
        plots.plot("jinghong", "history", asof=None, settings=settings)
