"""Why a city has the level that was published, in at most ten lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline.alerts import facts
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Rain
from pipeline.exchange import alert_files, index
from pipeline.exchange.netcdf import write_netcdf
from pipeline.exchange.publication import publish_tree
from pipeline.issuance.explanation import NEW_ZONE, explain_decision, find_night
from pipeline.remarks import Remark
from pipeline.storage import database
from pipeline.storage.records import Records
from tests.alerts.alert_cases import NAN, T0, drought, dry_spell, flood, pluvial

JANUARY = datetime(2026, 1, 20, 0, 30, tzinfo=UTC)


def explain(
    tmp_path: Path,
    decision: Decision,
    *,
    score: float = NAN,
    other: Decision | None = None,
    missing: Sequence[Remark] = (),
) -> list[str]:
    """Publish a decision and the city's other one, and explain it."""
    issued = decision.issue_time
    if other is None:
        calm = drought(dry_spell(), issue_time=issued) if decision.hazard == "flood" else flood()
        other = replace(calm, city=decision.city)
    rows = facts.collect_rows(
        [decision, other], {}, {}, products={}, origin="virtual", wanted="Test"
    )
    files = {"alerts.csv": alert_files.write_csv(rows)}
    if not math.isnan(score):
        ds = xr.Dataset(
            {"drought_score": (("time", "zone"), np.array([[9.0], [score]]), {"units": "1"})},
            {"time": np.array(["2026-01-01", "2026-01-02"], "M8[ns]"),
             "zone": [f"city:{decision.city.id}"]},
        )  # fmt: skip
        files["risk.nc"] = write_netcdf(ds, title="t", source="s", issue_time=issued)
    files["index.json"] = index.write_index(
        [decision, other], issue_time=issued, revision=1, status="Exercise",
        origin="virtual", inputs={}, missing=missing, archive_snapshot="", records_batch=1,
        model_version="m1",
    )  # fmt: skip
    files["index.json"] = index.complete_index(files["index.json"], {})
    records = Records(f"sqlite:///{tmp_path / 'records.db'}")
    alerts = [
        {"city": row.city.id, "hazard": row.hazard, "level": row.level.value, "identifier": None,
         "sha256": None, "memory": row.state.to_dict()}
        for row in (decision, other)
    ]  # fmt: skip
    records.put(database.alerts, issued, 1, alerts)
    folder = publish_tree(files, folder=tmp_path / "published", issue_time=issued)
    city, hazard = decision.city.id, decision.hazard
    lines = list(explain_decision(folder, records, city=city, hazard=hazard))
    assert len(lines) <= 10
    return lines


def test_a_class_drier_than_both_of_its_parts_is_made_plain(tmp_path: Path) -> None:
    # r = 0.592, z = ndtri(0.077) = -1.4255: (-1.5 - 1.4255) / sqrt(3.184) = -1.6395
    given = dry_spell(0.9, 0.8, 0.6, now=3, cdi="warning", spi3=-1.5, soil=7.7)
    lines = explain(tmp_path, drought(given), score=-1.6395, other=flood(0.3))
    assert lines == [
        "Exercise: Vientiane LA, drought, issued 2026-08-20T00:30:00Z: EMERGENCY",
        "Rain: SPI-3 -1.50, as dry in 6.7 % of years: D2 alone.",
        "Soil: moisture at percentile 7.7 of its season: D2 alone.",
        "Blend: (-1.50 -1.43) / 1.78 = -1.64, as dry in 5.1 % of years: D3.",
        "Class: D3, drier than by either alone, because both dry at once is rarer than one.",
        # 1.7844 * -1.6 + 1.4255 = -1.43 and Phi(1.7844 * -1.6 + 1.5) = Phi(-1.355) = 8.8 %;
        # 1.7844 * -2.0 + 1.4255 = -2.14 and Phi(1.7844 * -2.0 + 1.5) = Phi(-2.069) = 1.9 %
        (
            "Changes: less dry than D3 with SPI-3 above -1.43 or soil above percentile 8.8; "
            "D4 with SPI-3 at most -2.14 or soil at most percentile 1.9."
        ),
        (
            "Beside it: P(4 weeks) D1 90 %, D2 80 %, D3 60 %, 50 % is enough; combined indicator "
            "(CDI) warning (deficit of rain and soil)."
        ),
        (
            "Rule: the class is D3 or drier; the combined indicator (CDI) is in deficit; P(D3) is "
            "enough; P(D2) is enough; P(D1) is enough. Watch from D1 or CDI watch, Warning from D2 "
            "or CDI warning, Emergency from D3."
        ),
        "Ends: after 10 nights with the class less dry than D3 and P(D3) < 30 %; so far 0.",
        "The city's flood level that night: WATCH.",
    ]


@pytest.mark.parametrize(
    ("spi3", "soil", "score", "texts"),
    [
        # Pakse: z = ndtri(0.31) = -0.4959, r = 0.494, divisor 1.7286
        (-2.3, 31.0, -1.6174, ["Blend: (-2.30 -0.50) / 1.73 = -1.62, as dry in 5.3 % of years: D3.",
         "Class: D3, between both: rain is the drier part."]),
        # Ubon: z = ndtri(0.40) = -0.2533, r = 0.551, divisor 1.7612
        (-2.0, 40.0, -1.2794, ["Blend: (-2.00 -0.25) / 1.76 = -1.28, as dry in 10 % of years: D1.",
         "Class: D1, between both: rain is the drier part."]),
        (-0.2, 1.0, -1.45, ["Blend: (-0.20 -2.33) / 1.74 = -1.45, as dry in 7.4 % of years: D2.",
         "Class: D2, between both: soil is the drier part."]),
        (0.5, 60.0, 0.43, ["Blend: (0.50 +0.25) / 1.75 = 0.43, as dry in 67 % of years: no class.",
         "Class: no class, the same as by either alone."]),
        (-1.4, NAN, -1.4, ["Blend: -1.40, as dry in 8.1 % of years: D2.",
         "Class: D2, that of rain alone."]),
    ],
)  # fmt: skip
def test_the_blend_is_compared_with_its_parts(
    tmp_path: Path, spi3: float, soil: float, score: float, texts: list[str]
) -> None:
    lines = explain(tmp_path, drought(dry_spell(spi3=spi3, soil=soil)), score=score)
    assert lines[3:5] == texts
    if math.isnan(soil):
        assert lines[2] == "Soil: its moisture is not known; the class is that of rain alone."
        assert (
            lines[5]
            == "Changes: less dry than D2 with SPI-3 above -1.30; D3 with SPI-3 at most -1.60."
        )


def test_in_the_dry_months_the_drier_part_confirms_the_class(tmp_path: Path) -> None:
    decision = drought(dry_spell(now=3, spi3=-1.5, soil=7.7), issue_time=JANUARY)
    lines = explain(tmp_path, decision, score=-1.64)
    assert lines[0].endswith("WARNING")
    assert lines[4].endswith("; from December to March it counts as D2, the drier part alone.")
    apart = explain(tmp_path, drought(dry_spell(spi3=-1.5, soil=7.7)), score=-1.64)
    assert "December" not in apart[4]


def test_without_rain_there_is_no_class(tmp_path: Path) -> None:
    lines = explain(tmp_path, drought(dry_spell(now=None, spi3=NAN, cdi="unknown")))
    assert lines[0].startswith(
        "Exercise: Vientiane LA, drought, issued 2026-08-20T00:30:00Z: UNKNOWN"
    )
    assert "missing: " in lines[0]
    assert lines[1] == "Rain: the SPI of 90 days is not known."
    assert lines[3:6] == [
        "Blend: the score of both is not known, and neither is the class.",
        "Class: unknown.",
        "Changes: a class needs 90 days of rain.",
    ]


def test_a_city_that_the_models_do_not_know_is_said_to_be_new(tmp_path: Path) -> None:
    decision = drought(dry_spell(spi3=NAN))
    for number, (city, expected) in enumerate(((decision.city.id, 1), ("another", 0))):
        new = Remark(code="zone_new", text=f"areal record: no indices of A (city:{city}): why")
        lines = explain(tmp_path / str(number), decision, missing=[new])
        assert lines.count(f"New: {NEW_ZONE}") == expected


def test_a_flood_names_each_line_of_evidence(tmp_path: Path) -> None:
    first = flood(0.3, stage_m=11.6)
    second = flood(0.3, 0.1, 0.05, number=1, state=first.state, stage_m=11.2, change_1d_m=-0.4)
    assert explain(tmp_path, second) == [
        "Exercise: Vientiane LA, flood, issued 2026-08-21T00:30:00Z: WATCH",
        (
            "River: 11.20 m on 2026-08-21T00:00:00Z at 011901, -40 cm in a day; alarm stage 11.50 "
            "m, flood stage 12.50 m."
        ),
        (
            "Forecast: P(alarm stage in 7 days) 30 % (Watch from 25 %), P(flood stage in 5 days) "
            "10 % (Warning from 40 %), P(flood stage in 2 days) 5.0 % (Emergency from 70 %)."
        ),
        "The river alone: WATCH.",
        "Rain: once in 1.0 years; 5 years are enough for a Watch: NONE alone.",
        "Rule: P(alarm stage in 7 days) is enough.",
        (
            "Ends: after 2 nights with P(alarm stage in 7 days) < 15 % and the river at most 11.30 "
            "m and rain below 3 years; so far 0."
        ),
        (
            "Rises: Warning from P(flood stage in 5 days) 40 % for 2 nights, or the river at 11.50 "
            "m and rising by more than 10 cm in a day."
        ),
        "The city's drought level that night: NONE.",
    ]


def test_a_level_that_is_held_counts_its_nights(tmp_path: Path) -> None:
    state = flood(0.9, 0.9, 0.9).state
    lines = explain(tmp_path, flood(0.1, 0.05, 0.01, number=1, state=state))
    assert lines[0].endswith("EMERGENCY")
    assert lines[-3:-1] == [
        (
            "Rule: no criterion of this night reaches the level; it is kept until its end is "
            "confirmed."
        ),
        (
            "Ends: after 2 nights with P(flood stage in 2 days) < 42 % and the river at most 12.30 "
            "m; so far 1. Where it was observed, at most Watch at once from 11.00 m."
        ),
    ]


def test_rain_alone_and_a_lost_forecast(tmp_path: Path) -> None:
    lines = explain(tmp_path / "rain", pluvial(6.0))
    assert lines[1].startswith("River: no gauge with an alarm stage")
    assert lines[2] == "Rain: once in 6.0 years; 5 years are enough for a Watch: WATCH alone."
    assert lines[4] == "Ends: after 2 nights with rain below 3 years; so far 0."
    unknown = Rain(return_period_years=NAN, pluvial_index=NAN)
    lines = explain(tmp_path / "lost", flood(age_h=None, tier="climatology", rain=unknown))
    assert lines[1].startswith("River: no reading at 011901; alarm stage 11.50 m")
    assert lines[2].endswith("Not used: climatology is no forecast.")
    assert "Rain: not known; 5 years are enough for a Watch: UNKNOWN alone." in lines


def test_the_last_night_of_a_day_is_found(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"expected a night published in .*20260820T0030Z"):
        find_night(tmp_path, T0)
    for hours in (0, 2, 24):
        issued = T0 + timedelta(hours=hours)
        draft = index.write_index(
            [], issue_time=issued, revision=0, status="Exercise", origin="virtual", inputs={},
            missing=[], archive_snapshot="", records_batch=1, model_version="m1",
        )  # fmt: skip
        tree = {"index.json": index.complete_index(draft, {})}
        publish_tree(tree, folder=tmp_path, issue_time=issued)
    assert find_night(tmp_path, T0) == tmp_path / "20260820T0230Z"
    with pytest.raises(LookupError, match=r"found none; near: 2026-08-20, 2026-08-21$"):
        find_night(tmp_path, T0 - timedelta(days=900))


def test_a_city_that_was_not_assessed_is_named(tmp_path: Path) -> None:
    explain(tmp_path, flood())
    folder = find_night(tmp_path / "published", T0)
    records = Records(f"sqlite:///{tmp_path / 'records.db'}")
    with pytest.raises(LookupError, match="city: expected one of vientiane, found 'atlantis'"):
        explain_decision(folder, records, city="atlantis", hazard="flood")
