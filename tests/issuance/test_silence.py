"""Which gauges are silent this morning, since when, and which are doubted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.geography.places import stations
from pipeline.issuance.missing import find_missing
from pipeline.issuance.silence import describe_silent_gauges
from pipeline.remarks import Remark, list_texts
from tests.conftest import LayOver
from tests.issuance.snapshot_cases import ISSUED, PREK_KDAM, readings, snapshot_of

PAKSE, KRATIE = "013901", "014901"
MORNINGS = pd.date_range("2026-07-01", "2026-09-20")
LEVEL = pd.Series(3.0 + 0.01 * np.arange(len(MORNINGS)), index=MORNINGS)
DAY = timedelta(days=1)


def test_gauges_are_silent_this_morning_or_for_longer(tmp_path: Path) -> None:
    snapshot = snapshot_of(
        tmp_path,
        readings(LEVEL, PREK_KDAM),
        readings(LEVEL[:-1], PAKSE),
        readings(LEVEL[:-40], KRATIE),
    )
    gauges = describe_silent_gauges(snapshot)
    assert gauges.degraded == ()
    late, longer, never = list_texts(gauges.remarks)
    coded = [(remark.code, remark.station, remark.time) for remark in gauges.remarks]
    assert coded[:2] == [
        ("gauge_late", PAKSE, datetime(2026, 9, 19, tzinfo=UTC)),
        ("gauge_silent", KRATIE, datetime(2026, 8, 11, tzinfo=UTC)),
    ]
    others = [code for code in stations() if code not in {PAKSE, KRATIE, PREK_KDAM}]
    assert coded[2:] == [("gauge_never", code, None) for code in others]
    assert late == f"gauges: this morning's reading is missing from Pakse ({PAKSE})"
    assert longer == f"gauges: nothing for 30 days and more from Kratie ({KRATIE}, last 2026-08-11)"
    assert never.startswith("gauges: nothing has ever come from ")
    assert PREK_KDAM not in f"{late} {longer} {never}"


def test_a_night_without_a_reading_of_the_morning_is_degraded(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, readings(LEVEL[:-1], PREK_KDAM))
    missing = find_missing(snapshot)
    assert "gauges: no gauge has a reading of this morning" in missing.degraded


def test_a_reading_that_is_not_believed_is_not_called_missing(tmp_path: Path) -> None:
    level = pd.concat([LEVEL[:-1], pd.Series([13.0], index=MORNINGS[-1:])])
    snapshot = snapshot_of(tmp_path, readings(level, PREK_KDAM))
    gauges = describe_silent_gauges(snapshot)
    confirmed = "gauges: this morning's reading is not confirmed yet at"
    assert f"{confirmed} Prek Kdam ({PREK_KDAM})" in list_texts(gauges.remarks)
    assert gauges.remarks[0] == Remark(
        code="gauge_unconfirmed",
        text=f"{confirmed} Prek Kdam ({PREK_KDAM})",
        station=PREK_KDAM,
        time=datetime(2026, 9, 20, tzinfo=UTC),
    )
    assert not [line for line in list_texts(gauges.remarks) if "missing" in line]
    degraded = find_missing(snapshot).degraded
    assert "gauges: no gauge has a reading of this morning that is believed" in degraded


def test_the_day_after_a_reading_is_known_it_is_late(tmp_path: Path) -> None:
    issued = ISSUED + DAY
    snapshot = snapshot_of(tmp_path, readings(LEVEL, PREK_KDAM), issued=issued)
    (late, *_) = list_texts(describe_silent_gauges(snapshot).remarks)
    assert late == f"gauges: this morning's reading is missing from Prek Kdam ({PREK_KDAM})"


def test_a_gauge_is_not_silent_before_it_is_in_the_table(tmp_path: Path, lay_over: LayOver) -> None:
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,upstream,basin,as_of",
        "M.7,Ubon,Mun,TH,false,,mun,2026-09-20",
        "M.9,Phibun,Mun,TH,false,,mun,2026-09-20",
        f"{PREK_KDAM},Prek Kdam Bridge,Tonle Sap,KH,false,,tonle_sap,2026-09-20",
    )
    lay_over(
        "station_figures.csv",
        "station,quantity,value,unit,source,as_of,verified",
        *(
            f"{code},{quantity},15.2,degree,the agency,2026-09-20,V"
            for code in ("M.7", "M.9")
            for quantity in ("latitude", "longitude")
        ),
    )
    series = readings(LEVEL[:-2], "M.7"), readings(LEVEL[:-2], PREK_KDAM)
    before = snapshot_of(tmp_path, *series, issued=ISSUED - DAY)
    text = " ".join(list_texts(describe_silent_gauges(before).remarks))
    assert "Ubon" not in text
    assert "Phibun" not in text
    assert f"missing from Prek Kdam ({PREK_KDAM})" in text
    after = snapshot_of(tmp_path, *series)
    missing, never = list_texts(describe_silent_gauges(after).remarks)
    assert missing.endswith(f"missing from Prek Kdam Bridge ({PREK_KDAM}), Ubon (M.7)")
    assert never.endswith("Phibun (M.9)")


def test_a_reading_of_a_gauge_that_is_not_in_the_table_yet_is_none_of_the_morning(
    tmp_path: Path, lay_over: LayOver
) -> None:
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,upstream,basin,as_of",
        "M.7,Ubon,Mun,TH,false,,mun,2026-09-21",
    )
    lay_over(
        "station_figures.csv",
        "station,quantity,value,unit,source,as_of,verified",
        "M.7,latitude,15.2,degree,the agency,2026-09-21,V",
        "M.7,longitude,104.9,degree,the agency,2026-09-21,V",
    )
    morning = f"{ISSUED:%Y-%m-%d}"
    today = snapshot_of(tmp_path, readings(LEVEL[:morning], "M.7"))
    assert describe_silent_gauges(today).degraded == (
        "gauges: no gauge has a reading of this morning",
    )
