"""A finished night as a notebook opens it."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.exchange.columns import ALERTS
from pipeline.issuance.forecast_tables import read_forecasts
from pipeline.nights.night import Night, open_night, read_alerts
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.nights.night_cases import DAY, ISSUED


@pytest.fixture(scope="module")
def night(nights: Settings) -> Night:
    return open_night("2026-08-20", settings=nights)


def test_the_newest_night_opens_by_default_and_any_by_its_day(nights: Settings) -> None:
    assert open_night(settings=nights).issue_time == ISSUED
    for day in ("2026-08-20", date(2026, 8, 20), datetime(2026, 8, 20, 7)):  # noqa: DTZ001
        assert open_night(day, settings=nights).issue_time == ISSUED


def test_a_night_says_which_one_it_is(night: Night) -> None:
    assert repr(night) == "Night 2026-08-20 00:30Z, revision 0, Exercise (virtual)"
    assert night.published["records_batch"] == 1
    assert night.provenance.status == "Exercise"
    assert (night.provenance.issue_time, night.provenance.source) == (
        ISSUED, "virtual basin, not measured",
    )  # fmt: skip


def test_a_day_without_a_night_and_an_empty_folder_say_so(nights: Settings, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"expected a night published in .*20250101"):
        open_night("2025-01-01", settings=nights)
    empty = nights.model_copy(update={"data_dir": tmp_path / "none"})
    with pytest.raises(LookupError, match="found none: mekong nightly"):
        open_night(settings=empty)
    assert not (tmp_path / "none").exists()


def test_a_published_tree_without_stores_makes_none(nights: Settings, tmp_path: Path) -> None:
    (tmp_path / "published").symlink_to(nights.published_dir)
    alone = nights.model_copy(update={"data_dir": tmp_path})
    with pytest.raises(LookupError, match=r"found no .*archive"):
        open_night(settings=alone)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_stages_are_those_known_that_morning(night: Night, nights: Settings) -> None:
    known = night.stages("Pakse")["stage"].to_series()
    assert known.index[-1] == pd.Timestamp("2026-08-20")
    assert known.iloc[-2:].tolist() == [9.8, 9.9]
    assert (
        Records(nights.database)
        .readings.last_times(by="station", asof=ISSUED + 3 * DAY)["013901"]
        .day
        == 22
    ), "more has come since"
    assert night.stages("013901", start="2026-08", end="2026-08-02").sizes["time"] == 2


def test_a_forecast_is_the_one_that_was_issued(night: Night) -> None:
    fan = night.forecast("pakse")
    rows = read_forecasts(night.snapshot.records, night.run)[0]
    rows = rows[rows["station"] == "013901"].sort_values("lead_days")
    np.testing.assert_array_equal(fan["stage"].sel(quantile=0.5), 10.0 + 0.2 * np.arange(1, 8))
    np.testing.assert_array_equal(fan["stage"].sel(quantile=0.95), rows["q95"])
    assert fan.attrs["status"] == "Exercise"
    assert fan.attrs["alarm_stage_m"] == 11.0


def test_levels_are_the_published_rows_with_types(night: Night) -> None:
    levels = night.levels()
    features = json.loads((night.folder / "alerts.geojson").read_text())["features"]
    published = {
        (row["city"], row["hazard"]): row["level"]
        for row in (feature["properties"] for feature in features)
    }
    told = levels.set_index(["city", "hazard"])["level"]
    assert told.to_dict() == published
    assert len(set(told)) >= 4
    assert levels["issue_time"].eq(pd.Timestamp("2026-08-20 00:30")).all()
    assert levels["alarm_m"].dtype == "float64"
    assert levels.attrs["units"]["alarm_m"] == "m"
    assert levels.attrs["status"] == "Exercise"


def test_alerts_have_the_types_of_their_columns() -> None:
    text = (
        "city,alarm_m,onset,threshold_verified,cdi\npakse,11.0,2026-08-21T00:00:00Z,true,\nb,,,,x\n"
    )
    table = read_alerts(text.encode())
    assert table["alarm_m"].tolist()[0] == 11.0
    assert np.isnan(table["alarm_m"][1])
    assert table["onset"].tolist() == [pd.Timestamp("2026-08-21"), pd.NaT]
    assert table["threshold_verified"].tolist() == [True, pd.NA]
    assert table["cdi"].tolist() == ["", "x"]
    kinds = {column.kind for column in ALERTS}
    assert kinds <= {"string", "number", "integer", "boolean", "datetime", "date", "list"}


def test_low_flow_is_of_gauges_alone(night: Night) -> None:
    low = night.low_flow()
    assert set(low["station"]) == {"013901", "014901"}
    assert set(low["name"]) == {"Pakse", "Kratie"}
    assert sorted(set(low["horizon_weeks"])) == [1, 4, 8, 12]


def test_an_explanation_is_that_of_the_published_level(night: Night) -> None:
    lines = night.explain("Pakse", "drought").splitlines()
    row = night.levels().query("city == 'pakse' and hazard == 'drought'").iloc[0]
    assert lines[0].startswith("Exercise: Pakse LA, drought, issued 2026-08-20T00:30:00Z")
    assert row["level"].upper() in lines[0]
    assert len(lines) <= 10
    with pytest.raises(LookupError, match="hazard: expected one of flood, drought, found 'fire'"):
        night.explain("Pakse", "fire")  # type: ignore[arg-type]


def test_cities_are_found_by_any_name_and_unknown_ones_are_not(night: Night) -> None:
    assert night.stages("ປາກເຊ").attrs["station"] == "013901"
    with pytest.raises(LookupError, match="near: Pakse"):
        night.forecast("Pakze")
    with pytest.raises(LookupError, match="Siem Reap has no gauge"):
        night.stages("Siem Reap")


def test_a_gauge_that_the_night_did_not_forecast_says_so(night: Night) -> None:
    with pytest.raises(LookupError, match=r"Kampong Luong \(020106\): expected a forecast"):
        night.forecast("Kampong Luong")
