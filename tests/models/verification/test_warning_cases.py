from __future__ import annotations

from pathlib import Path

from models.verification.as_issued import read_issued
from models.verification.outcomes import FLOODS, make_stage_series
from models.verification.warning_cases import list_warning_cases
from pipeline.quality.selection import select_used
from pipeline.storage.records import Records
from tests.models.verification.issued_cases import (
    ONE_WARNED,
    TWO_FLOODS,
    moment,
    stage_row,
    store_nights,
    store_readings,
)


def test_a_night_is_a_case_once_the_days_that_its_level_looks_ahead_are_over(
    tmp_path: Path,
) -> None:
    store = Records(f"sqlite:///{tmp_path}/records.db")
    rows = {day: [stage_row(day, 5, p=day / 100)] for day in range(20)}
    store_nights(store, ONE_WARNED[:30], stages=rows)
    asof = moment(25)
    store_readings(store, TWO_FLOODS[:30], asof=asof)
    issued = read_issued(store, asof=asof, since=moment(0))
    series = make_stage_series(select_used(store.readings.read("stage", asof=asof)), {})
    found = list_warning_cases(
        FLOODS[1], series, issued, nights=issued.nights["issue_time"], asof=asof
    )
    cases = found.cases
    assert len(cases) == 21, "nights 0 to 20: that of day 20 looks until day 25"
    # Flood stage stood from day 15 to 17: nights 10 to 16 have it within five days.
    assert cases.index[cases["reached"]].tolist() == list(range(10, 17))
    assert cases.index[cases["declared"]].tolist() == list(range(12, 19))
    assert cases["p"].tolist()[:20] == [day / 100 for day in range(20)]
    assert cases["p"].isna().tolist() == [False] * 20 + [True]
    assert cases.index[cases["persisted"] == 1.0].tolist() == [15, 16, 17]
    assert set(cases["least_p"]) == {0.4}
    (row,) = found.counts.to_dict("records")
    assert (row["hits"], row["misses"], row["lead_times_h"]) == (1, 0, (71.5,))
