"""Peaks by hand: late, early and missed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.verification.cases import prepare
from models.verification.peaks import find_peaks, pool_peaks
from tests.models.conftest import TOWN
from tests.models.verification.conftest import LEADS, flood_of_mukdahan, made_hindcast


def test_peaks_by_hand() -> None:
    frame = made_hindcast(years=1)
    frame["q50"] = frame["observed_m"].groupby([frame["station"], frame["lead_days"]]).shift(-2)
    rows = prepare(frame.fillna({"q50": 0.0}))
    errors = find_peaks(rows)
    assert len(errors) == 2 * len(LEADS)
    # The rows run backwards in time, so the forecast says what came two days before: late by two.
    assert set(errors["late_d"]) == {2}
    assert (errors["error_m"] < 0.0).all()


def test_a_peak_is_missed_without_an_alarm_within_the_tolerance() -> None:
    """Above alarm stage for two days on either side of the crest: 12.2, 12.6, 13.0, 12.6, 12.2."""
    for late_d, missed in ((0, 0.0), (3, 0.0), (4, 1.0), (-4, 1.0)):
        (peak,) = find_peaks(prepare(flood_of_mukdahan(late_d=late_d))).to_dict("records")
        assert (peak["station"], peak["peak_m"], peak["late_d"]) == (TOWN, 13.0, late_d)
        assert peak["missed"] == missed, late_d
        assert peak["missed_by_persistence"] == 0.0
    (peak,) = find_peaks(prepare(flood_of_mukdahan(late_d=4, lead=5))).to_dict("records")
    assert peak["missed"] == 0.0, "two days are tolerated at longer leads"
    assert peak["missed_by_persistence"] == 1.0


def test_a_peak_below_alarm_stage_cannot_be_missed() -> None:
    (peak,) = find_peaks(prepare(flood_of_mukdahan(late_d=1, crest_m=11.9))).to_dict("records")
    assert peak["late_d"] == 1
    assert np.isnan([peak["missed"], peak["missed_by_persistence"]]).all()


def test_the_forecast_peak_is_searched_within_a_month_of_the_observed() -> None:
    frame = flood_of_mukdahan(late_d=1)
    frame.loc[60 + 31, "q50"] = 15.0
    assert find_peaks(prepare(frame))["late_d"].tolist() == [1]
    frame.loc[60 + 30, "q50"] = 15.0
    assert find_peaks(prepare(frame))["late_d"].tolist() == [30]


def test_a_summer_with_gaps_has_no_peak() -> None:
    frame = flood_of_mukdahan(late_d=0)
    assert len(find_peaks(prepare(frame.head(90)))) == 1
    assert find_peaks(prepare(frame.head(89))).empty
    assert pool_peaks(find_peaks(prepare(frame.head(89)))).empty


def test_peaks_are_pooled_over_years_by_hand() -> None:
    peaks = pd.DataFrame(
        {
            "lead_days": 1, "station": ["a", "a", "b"], "error_m": [-1.0, 0.5, 0.0],
            "late_d": [-2, 0, 4], "missed": [1.0, 0.0, np.nan],
            "missed_by_persistence": [1.0, 1.0, np.nan],
        }
    )  # fmt: skip
    (row,) = pool_peaks(peaks).to_dict("records")
    assert (row["peaks"], row["alarm_peaks"]) == (3, 2)
    assert (row["missed"], row["missed_by_persistence"]) == (1, 2)
    assert (row["error_m"], row["abs_error_m"]) == (0.0, 0.5)
    assert (row["late_d"], row["abs_late_d"]) == (0.0, 2.0)
    assert (row["late_p10_d"], row["late_p90_d"]) == pytest.approx((-1.6, 3.2))
    assert pool_peaks(peaks, ["station"])["alarm_peaks"].to_dict() == {"a": 2, "b": 0}
