"""Days, events and peaks of both sides, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.verification.comparison import compare_archives
from tests.models.conftest import TOWN
from tests.models.verification.rival_cases import observe, read_table

HEAD = "station,issue_date,lead_days,stage_m\n"


def daily(values: list[float], *, start: str = "2020-06-01") -> str:
    """Forecasts one day ahead: the n-th value is that for day n, issued on the day before."""
    first = np.datetime64(start)
    return HEAD + "".join(
        f"{TOWN},{first + day - 1},1,{value}\n" for day, value in enumerate(values) if day
    )


def counts(
    folder: Path, observed: list[float], ours: list[float], rival: list[float]
) -> dict[str, list[float]]:
    own, other = (read_table(folder, daily(values)) for values in (ours, rival))
    stages = observe({TOWN: observed}, start="2020-06-01")
    scores = compare_archives(own, other, stages, draws=5).scores
    of_gauge = scores[(scores["verdict"] == "count") & (scores["station"] == TOWN)]
    of_all = scores[(scores["verdict"] == "count") & (scores["station"] == "")]
    columns = ["score", "cases", "ours", "rival"]
    assert of_all[columns].to_numpy().tolist() == of_gauge[columns].to_numpy().tolist()
    return {
        row["score"]: [row["cases"], row["ours"], row["rival"]]
        for row in of_gauge.to_dict("records")
    }


def test_days_and_events(tmp_path: Path) -> None:
    """Alarm stage is 12.0 m: two events came; ours hits one, the rival both and one too many."""
    low = 10.0
    observed = [low] * 5 + [12.1] * 2 + [low] * 8 + [12.2] + [low] * 14
    ours = [low] * 6 + [12.3] + [low] * 23
    rival = [low] * 5 + [12.1] * 2 + [low] * 8 + [12.1] + [low] * 8 + [12.1] + [low] * 5
    found = counts(tmp_path, observed, ours, rival)
    # Below alarm stage at issue: the first day of each event.
    assert found["alarm_days_hit"] == [2, 0.0, 2.0]
    assert found["alarm_days_false"] == [2, 0.0, 1.0]
    assert found["alarm_events_hit"] == [2, 1.0, 2.0]
    assert found["alarm_events_false"] == [2, 0.0, 1.0]
    assert found["flood_events_hit"] == [0, 0.0, 0.0]


def test_peaks_of_a_season(tmp_path: Path) -> None:
    """The crest is on day 60; ours is there, the rival three days late."""

    def crest(day: int) -> list[float]:
        return [max(13.0 - 0.4 * abs(at - day), 9.0) for at in range(120)]

    found = counts(tmp_path, crest(60), crest(60), crest(63))
    assert found["peak_late_d"] == [1, 0.0, 3.0]
    assert found["peaks_missed"] == [1, 0.0, 0.0]
    found = counts(tmp_path, crest(60), crest(60), [9.0] * 119 + [9.1])
    assert found["peaks_missed"] == [1, 0.0, 1.0]
