"""From the providers' files to the published messages, five nights of the virtual basin."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
import xarray as xr

from pipeline.alerts.cap import message_path
from pipeline.geography.places import cities
from pipeline.storage.archive import Archive
from pipeline.storage.database import stage_forecasts
from pipeline.storage.records import Records
from tests.scenarios.nights import CAP, FLOOD, QUIET, RAISED, Night, check_tree, text
from tests.scenarios.profile_rules import RULES

pytestmark = pytest.mark.slow

NO_SATELLITES = {"imerg_late", "imerg_early", "imerg_daily", "gk2a", "smap"}
GAUGED = {city.id for city in cities().values() if city.station and city.id != "jinghong"}
"""Cities with a gauge that has an alarm stage; Jinghong's has none."""
UNGAUGED = set(cities()) - GAUGED
NO_GAUGE = "a river gauge with an alarm stage"


def tiers(night: Night) -> dict[str, str]:
    rows = Records(night.settings.database).get(stage_forecasts, night.asof, 0)
    return {row["station"]: row["tier"] for row in rows}


def test_flood(flood: Night) -> None:
    check_tree(flood)
    levels = flood.levels()
    assert {levels[city] for city in ("nakhon_phanom", "stung_treng")} == {"emergency"}
    assert {levels[city] for city in ("mukdahan", "thakhek")} <= {"warning", "emergency"}
    assert levels["pakse"] in RAISED
    assert set(flood.levels("drought").values()) == {"none"}, "not in the middle of a flood"
    assert {levels[city] for city in UNGAUGED} <= {"none", "watch"}, (
        "without a gauge rain raises to Watch and no further"
    )
    alert = flood.message("nakhon_phanom")
    assert (text(alert, "msgType"), text(alert, "references")) == ("Alert", "")
    assert text(alert, "note") == "Exercise: made from the synthetic data of a virtual basin."
    assert text(alert, "info/event") == "Flood"
    headline = text(alert, "info/headline")
    assert headline.startswith("EXERCISE. Flood, level 3 of 3: Nakhon Phanom. ")
    assert headline.endswith(" m above flood stage.")
    assert text(alert, "info/responseType") == "Execute"
    assert text(alert, "info/certainty") == "Observed"
    assert text(alert, "info/onset") == text(alert, "sent")
    said = text(alert, "info/description")
    assert "The river at Nakhon Phanom stood at 12.67 m on 20 August 2026 at 07:00 local" in said
    assert "The river stood 0.67 m above flood stage at its last reading" in said
    assert "0.67 m above flood stage (Thai sung kwa taling, above the bank)" in said
    assert "At this gauge alarm stage is 11.50 m, flood stage 12.00 m." in said
    assert "MRC term: flood stage exceeded." in said
    assert "Missing evidence" not in said
    assert "Go to high ground now and stay there." in text(alert, "info/instruction")
    row = flood.row("nakhon_phanom")
    assert (row["station"], row["tier"], row["stage_m"]) == ("013101", "full", "12.67")
    languages = [info.findtext("cap:language", namespaces=CAP) for info in alert.findall(
        "cap:info", CAP)]  # fmt: skip
    assert languages == ["th", "km", "lo", "vi", "my", "zh-CN", "en"]


SETTINGS = {"google-web", "google-contact"}
"""Rules that rest on settings of the sender, which the nights of the tests do not have."""


@pytest.mark.parametrize("name", ["flood", "next_morning", "drought"])
def test_every_message_of_a_night_follows_the_rules_of_its_readers(
    name: str, request: pytest.FixtureRequest
) -> None:
    night: Night = request.getfixturevalue(name)
    assert len(night.messages()) > 5
    for identifier, alert in night.messages().items():
        size = (night.folder / message_path(identifier)).stat().st_size
        assert size <= 48_000, f"{identifier}: {size} bytes"
        broken = [
            rule.id
            for rule in RULES
            if rule.holds is not None and rule.id not in SETTINGS and not rule.holds(alert)
        ]
        assert broken == [], identifier


def test_the_message_carries_the_reading_of_the_export(flood: Night) -> None:
    (path,) = flood.settings.upstream_dir.glob(f"mrc/{FLOOD:%Y%m%dT%H%M}/Water Level*_013101_*.csv")
    *_, before, _, last = path.read_text().splitlines()
    fields = last.split(",")
    assert fields[4] == "2026-08-20T00:00Z"
    assert float(flood.row("nakhon_phanom")["stage_m"]) == float(fields[5])
    rise = float(fields[5]) - float(before.split(",")[5])
    assert float(flood.row("nakhon_phanom")["change_1d_m"]) == pytest.approx(rise, abs=1e-6)


def test_a_gauge_that_failed_by_itself_is_unknown_not_green(flood: Night) -> None:
    """In this night Chau Doc's reading has not come for days."""
    row = flood.row("chau_doc")
    assert (row["level"], row["level_in_force"], row["identifier"]) == ("unknown", "unknown", "")
    assert "a river reading of the last 48 hours" in row["missing"]
    assert row["headline"] == "EXERCISE. Flood: not assessed for Chau Doc"


def test_drought(drought: Night) -> None:
    check_tree(drought)
    assert set(drought.levels().values()) == {"none"}, "no flood at the end of the dry season"
    levels = drought.levels("drought")
    assert sum(level in RAISED for level in levels.values()) >= 15
    assert levels["siem_reap"] == "emergency"
    alert = drought.message("siem_reap", "drought")
    assert text(alert, "info/event") == "Drought"
    assert text(alert, "info/headline") == (
        "EXERCISE. Drought, level 3 of 3: Siem Reap. At present extreme drought."
    )
    assert text(alert, "msgType") == "Alert"
    said = text(alert, "info/description")
    for words in (
        "At present: extreme drought (D3 or worse).", "Chance of class D3 or worse: ",
        "standardised (SPI-3): -", "Soil moisture is at percentile ", "Vegetation health index: ",
    ):  # fmt: skip
        assert words in said
    assert "Missing evidence" not in said
    assert "Use water for drinking and health first." in text(alert, "info/instruction")
    row = drought.row("siem_reap", "drought")
    assert row["drought_class"] == "D3"
    assert float(row["soil_moisture_percentile"]) <= 30
    assert float(row["spi3"]) <= -1.6, "class D3 by the rain of three months"
    chances = [float(row[f"p_d{number}_4w"]) for number in (1, 2, 3)]
    assert chances == sorted(chances, reverse=True)


def test_quiet_night(quiet: Night) -> None:
    check_tree(quiet)
    levels = quiet.levels()
    assert set(levels.values()) == {"none"}
    assert quiet.late
    assert quiet.messages() == {}, "it is made after a later night"
    assert not list(quiet.folder.rglob("*.txt"))
    assert (quiet.settings.published_dir / "latest").resolve().name.startswith("20260821")
    for city in GAUGED:
        row = quiet.row(city)
        assert row["tier"] != "climatology", "none rests on a forecast"
        assert row["missing"] == "", city
        assert row["headline"].startswith("EXERCISE. Flood: no warning for ")
        age = datetime.fromisoformat(row["stage_time"])
        assert (QUIET - age).total_seconds() <= 48 * 3600
        assert float(row["p_alarm_7d"]) < 0.25
    for city in UNGAUGED:
        assert float(quiet.row(city)["rain_return_period_years"]) < 5, "none rests on known rain"
    assert "none" in quiet.levels("drought").values()


def test_dead_satellites(dead_satellites: Night, flood: Night) -> None:
    check_tree(dead_satellites)
    missing = dead_satellites.missing
    assert {said.split(":")[0] for said in missing} >= NO_SATELLITES
    for source in NO_SATELLITES - {"imerg_daily"}:
        assert any(said.startswith(f"{source}: gave nothing") for said in missing), source
    late = next(said for said in missing if said.startswith("imerg_late:"))
    assert late == ("imerg_late: 164 of 164 files missing, the latest for 2026-08-19 10:00Z")
    levels = dead_satellites.levels()
    assert {levels[city] for city in UNGAUGED} == {"unknown"}, "never green"
    assert set(dead_satellites.levels("drought").values()) == {"unknown"}
    assert "full" not in tiers(dead_satellites).values()
    assert levels["nakhon_phanom"] == "emergency"
    assert levels["stung_treng"] == "emergency"
    alert = dead_satellites.message("nakhon_phanom")
    said = text(alert, "info/description")
    assert "Missing evidence: " in said
    gaps = said.split("Missing evidence: ")[1].splitlines()[0]
    assert "in the river forecast" in gaps
    assert "rain over the city, so that heavy local rain is not assessed" in gaps
    assert dead_satellites.row("nakhon_phanom")["tier"] in {"no_rain", "own_stage"}
    assert dead_satellites.row("nakhon_phanom")["rain_return_period_years"] == ""
    for city, level in levels.items():
        if city in GAUGED:
            assert (level in RAISED) or flood.levels()[city] not in {"warning", "emergency"}, (
                f"{city}: a warning was lost with the satellites"
            )
        # None says something of the river and of the rain, and nothing is known of the rain.
        assert level != "none", city
        row = dead_satellites.row(city)
        assert row["rain_level"] == "unknown"
        if level == "unknown" and city in GAUGED:
            assert row["river_level"] in {"none", "unknown"}
        if row["river_level"] in RAISED:
            assert level == row["river_level"], "no alarm of the river is hidden"
    known = [city for city in GAUGED if dead_satellites.row(city)["river_level"] == "none"]
    assert known, "the river is assessed without satellites"
    row = dead_satellites.row(known[0])
    assert row["headline"].startswith("EXERCISE. Flood: no warning from the river for ")
    row = dead_satellites.row("siem_reap")
    assert row["headline"] == "EXERCISE. Flood: not assessed for Siem Reap"
    assert "rain over the city" in row["missing"]


def test_late_soil_is_stood_in_for_and_says_so(late_soil: Night, flood: Night) -> None:
    check_tree(late_soil)
    for city in cities():
        row, own = late_soil.row(city, "drought"), flood.row(city, "drought")
        assert (row["stands_in"], own["stands_in"]) == ("smap_l3", "")
        assert row["soil_moisture_percentile"] != ""
        assert row["soil_moisture_percentile"] != own["soil_moisture_percentile"]
        assert row["vhi_percent"] == own["vhi_percent"]
        assert row["certainty"] != "Observed"
        assert late_soil.row(city)["stands_in"] == ""
    said = late_soil.missing
    assert any(line.startswith("smap: smap_l3 stands in for it in ") for line in said)
    assert any(line.startswith("smap: ") and "files missing" in line for line in said)
    assert not any("stand" in line for line in flood.missing)
    for night, shares in ((late_soil, {1.0}), (flood, {0.0})):
        with xr.open_dataset(night.folder / "risk.nc") as risk:
            day = risk.isel(time=-1)
            assert set(day["share_smap_l3"].values) == shares
            assert day["soil_moisture_percentile"].notnull().all()
    record = Archive(late_soil.settings.archive_dir).read("zones", asof=FLOOD)["soil_moisture"]
    assert record.dropna("time", how="all")["time"].values[-1] < np.datetime64("2026-08-12")


def test_silent_gauge(silent_gauge: Night, flood: Night) -> None:
    check_tree(silent_gauge)
    row = silent_gauge.row("nong_khai")
    assert row["level"] == "unknown"
    assert row["stage_m"] == ""
    assert "a river reading of the last 48 hours" in row["missing"]
    assert row["headline"] == "EXERCISE. Flood: not assessed for Nong Khai"
    assert not [name for name in silent_gauge.messages() if "nong_khai" in name]
    ours, theirs = silent_gauge.levels(), flood.levels()
    assert theirs["nong_khai"] in RAISED
    # Its neighbours are forecast without it: they may move by a rung, and none falls silent.
    ladder = ["none", *RAISED]
    moved = {city for city in ours if ours[city] != theirs[city]} - {"nong_khai"}
    assert moved <= GAUGED
    for city in moved:
        assert abs(ladder.index(ours[city]) - ladder.index(theirs[city])) == 1
    for city in GAUGED - {"nong_khai"}:
        assert silent_gauge.row(city)["stage_m"] == flood.row(city)["stage_m"]
    for city in UNGAUGED:
        assert silent_gauge.row(city) == flood.row(city)
    assert silent_gauge.levels("drought") == flood.levels("drought")


def test_silence_does_not_end_an_emergency(silenced: Night) -> None:
    check_tree(silenced)
    row = silenced.row("nakhon_phanom")
    assert (row["level"], row["level_in_force"]) == ("unknown", "emergency")
    alert = silenced.message("nakhon_phanom")
    assert text(alert, "info/headline") == (
        "EXERCISE. Flood, level 3 of 3: Nakhon Phanom. "
        "It stays in force and cannot be assessed at present."
    )
    said = text(alert, "info/description")
    assert "the last level stays in force as a precaution." in said
    assert "Missing evidence: a river reading of the last 48 hours" in said
    assert text(alert, "info/certainty") == "Possible"
    assert "Go to high ground now and stay there." in text(alert, "info/instruction")
