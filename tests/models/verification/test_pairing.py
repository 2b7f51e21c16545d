"""Only cases that both have, each side brought into the same form, unfairness told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.verification.pairing import pair
from tests.models.conftest import TOWN
from tests.models.verification.rival_cases import make_archive, make_observed, observe, read_table

HEAD = "station,issue_time,lead_days,stage_m\n"
STAGES = observe({TOWN: [10.0, 11.0, 12.0, 13.0, 12.6, 11.0], "012001": [5.0] * 6})


def table(days: list[int], values: list[float], *, hour: str = "00:30", code: str = TOWN) -> str:
    return HEAD + "".join(
        f"{code},2020-07-{day:02}T{hour}Z,1,{value}\n"
        for day, value in zip(days, values, strict=True)
    )


def test_cases_are_those_of_both_and_the_others_are_counted(tmp_path: Path) -> None:
    ours = read_table(tmp_path, table([1, 2, 3, 6], [1.0, 2.0, 3.0, 6.0]))
    rival = read_table(tmp_path, table([2, 3, 4, 5, 6], [12.0, 13.0, 14.0, 15.0, 16.0]))
    cases = pair(ours, rival, STAGES)
    assert cases.counts == {
        "forecasts that both have": 3,
        "of ours alone": 1,
        "of the rival alone": 2,
        "without a reading on the valid day": 1,  # 7 July
        "without a reading at issue": 0,
        "compared": 2,
    }
    assert cases.sides["ours"].mean.tolist() == [2.0, 3.0]
    assert cases.sides["rival"].mean.tolist() == [12.0, 13.0]
    assert cases.sides["persistence"].mean.tolist() == [11.0, 12.0]
    assert cases.rows["observed_m"].tolist() == [12.0, 13.0]
    assert cases.sides["rival"].p["alarm"].tolist() == [1.0, 1.0]  # 12.0 m
    assert cases.sides["rival"].p["flood"].tolist() == [0.0, 1.0]  # 12.5 m
    assert np.isnan(cases.sides["climatology"].mean).all(), "no years before"


def test_nothing_in_common_is_an_error_with_the_counts(tmp_path: Path) -> None:
    ours, rival = (read_table(tmp_path, table([day], [1.0])) for day in (1, 2))
    with pytest.raises(LookupError, match=r"found 0 forecasts that both have, 1 of ours alone"):
        pair(ours, rival, STAGES)


def test_another_hour_of_issue_is_told(tmp_path: Path) -> None:
    ours = read_table(tmp_path, table([1, 2], [1.0, 2.0]))
    noon = read_table(tmp_path, table([1, 2], [1.0, 2.0], hour="12:00"))
    (remark,) = pair(ours, noon, STAGES).remarks
    assert "the rival is issued 11.5 h later than ours" in remark
    assert "so the rival may know newer readings" in remark
    (remark,) = pair(noon, ours, STAGES).remarks
    assert "the rival is issued 11.5 h earlier" in remark
    assert pair(ours, ours, STAGES).remarks == ()


def test_probabilities_come_from_quantiles_and_members(tmp_path: Path) -> None:
    ours = read_table(tmp_path, table([3], [12.0]))
    by_member = "station,issue_date,lead_days,member,stage_m\n" + "".join(
        f"{TOWN},2020-07-03,1,{member},{value}\n"
        for member, value in enumerate((11.0, 12.0, 12.4, 13.0))
    )
    members = pair(ours, read_table(tmp_path, by_member), STAGES).sides["rival"]
    assert (members.p["alarm"].tolist(), members.p["flood"].tolist()) == ([0.75], [0.25])
    assert (members.mean.tolist(), members.median.tolist()) == ([12.1], [12.2])
    head = "station,issue_date,lead_days,q10,q50,q90,unit\n"
    rival = read_table(tmp_path, head + f"{TOWN},2020-07-03,1,11.0,12.0,13.0,m\n")
    quantiles = pair(ours, rival, STAGES).sides["rival"]
    assert quantiles.ensemble.shape == (1, 40)
    assert quantiles.p["alarm"].tolist() == [0.5]
    # Members at (k − ½)/40: 12.5 m lies at the level 0.7, between the 28th and the 29th.
    assert quantiles.p["flood"].tolist() == [12 / 40]
    only_high = "station,issue_date,lead_days,q90,unit\n" + f"{TOWN},2020-07-03,1,13.0,m\n"
    high = pair(ours, read_table(tmp_path, only_high), STAGES).sides["rival"]
    assert np.isnan([high.mean, high.median, high.p["alarm"]]).all()
    assert high.quantiles[0.9].tolist() == [13.0]


def test_a_constant_error_is_told_as_another_gauge_zero(tmp_path: Path) -> None:
    observed = make_observed(days=200)
    ours = make_archive(tmp_path, observed, sd=0.1, seed=1, days=200)
    rival = make_archive(tmp_path, observed, sd=0.1, seed=2, days=200)
    assert not any("zero" in remark for remark in pair(ours, rival, observed).remarks)
    values = rival.values.copy()
    values[(rival.rows["station"] == TOWN).to_numpy()] -= 0.8
    shifted = type(rival)(**{**vars(rival), "values": values})
    (remark,) = (text for text in pair(ours, shifted, observed).remarks if "zero" in text)
    assert remark.startswith("rival: Mukdahan (013402) is off by -0.8")
    half = values.copy()
    half[rival.rows["issue_day"] > rival.rows["issue_day"].median()] = rival.values[
        rival.rows["issue_day"] > rival.rows["issue_day"].median()
    ]
    late = type(rival)(**{**vars(rival), "values": half})
    assert not any("zero" in text for text in pair(ours, late, observed).remarks)


def test_climatology_is_of_the_years_before(tmp_path: Path) -> None:
    observed = make_observed(days=4 * 365)
    later = "station,issue_date,lead_days,stage_m\n" + f"{TOWN},2017-01-10,1,9.0\n"
    archive = read_table(tmp_path, later)
    cases = pair(archive, archive, observed)
    days = observed.loc[TOWN]
    days = days[days.index < "2017-01-10"]
    from_11_january = np.abs((days.index.day_of_year - 11 + 182) % 365 - 182) <= 15
    assert cases.sides["climatology"].mean[0] == pytest.approx(days[from_11_january].mean())
    share = (days[from_11_january] >= 12.0).mean()
    assert cases.sides["climatology"].p["alarm"][0] == pytest.approx(share)


def test_discharge_is_not_compared_where_the_river_turns(tmp_path: Path) -> None:
    head = "station,issue_date,lead_days,value,unit\n"
    lines = "".join(f"{code},2020-07-02,1,9000,m3/s\n" for code in (TOWN, "020102"))
    stage = "".join(f"{code},2020-07-02,1,9.0\n" for code in (TOWN, "020102"))
    rival = read_table(tmp_path, head + lines)
    ours = read_table(tmp_path, "station,issue_date,lead_days,stage_m\n" + stage)
    cases = pair(ours, rival, observe({TOWN: [9.0, 9.1, 9.2], "020102": [5.0, 5.1, 5.2]}))
    assert cases.rows["station"].tolist() == [TOWN]
    assert cases.counts["at gauges where discharge does not rise with the stage"] == 1
    assert np.isnan(cases.sides["rival"].p["alarm"]).all()
