"""Reliability, coverage and value of probabilities by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.verification.reliability import (
    RATIOS,
    coverage_table,
    economic_value,
    reliability_table,
)
from tests.models.verification.conftest import LEADS


def test_reliability_counts_every_forecast_once(rows: pd.DataFrame) -> None:
    table = reliability_table(rows)
    assert table.groupby("lead_days")["count"].sum().tolist() == [
        len(rows[rows["lead_days"] == lead]) for lead in LEADS
    ]
    reached = rows["observed_m"] >= rows["alarm_m"]
    assert table["events"].sum() == reached.sum()
    top = table[(table["lead_days"] == 1)].iloc[-1]
    inside = rows[(rows["lead_days"] == 1) & (rows["p_alarm"] >= 0.95)]
    assert top["share"] == pytest.approx((inside["observed_m"] >= inside["alarm_m"]).mean())


def test_coverage_and_width_by_tier(rows: pd.DataFrame) -> None:
    coverage: Any = coverage_table(rows).set_index(["tier", "lead_days"])
    assert coverage.loc[("every", 1), "width80_m"] == pytest.approx(0.8)
    assert (coverage["cover80"] == 1.0).all()  # ±0.4 m about an error of 0.1 m
    tiers = coverage.loc[("full", 1), "n"] + coverage.loc[("no_rain", 1), "n"]
    assert tiers == coverage.loc[("every", 1), "n"]


def test_value_by_hand() -> None:
    reached = np.array([True] * 2 + [False] * 8)
    p = np.array([0.9, 0.3] + [0.3] * 2 + [0.0] * 6)
    curve = dict(zip(RATIOS.tolist(), economic_value(p, reached).tolist(), strict=True))
    # At a = 0.1 both are caught and two of eight quiet days cost: (0.1 − F a(1−o) + …) by hand.
    base, hit, false, a = 0.2, 1.0, 0.25, 0.1
    top = min(base, a) - false * a * (1 - base) + hit * base * (1 - a) - base
    assert curve[0.1] == pytest.approx(top / (min(base, a) - base * a))
    # At a = 0.5 one of two is caught without a false alarm.
    assert curve[0.5] == pytest.approx((0.2 - 0 + 0.5 * 0.2 * 0.5 - 0.2) / (0.2 - 0.1))
    assert np.isnan(economic_value(np.ones(3), np.zeros(3, dtype=bool))).all()


def test_false_alarms_are_told_apart_from_false_days() -> None:
    """Trap 18: a rare event with many quiet days: FAR is high while POFD is low."""
    reached = np.zeros(1000, dtype=bool)
    reached[:2] = True
    p = np.where(np.arange(1000) < 10, 0.5, 0.0)
    value = economic_value(p, reached)[RATIOS.tolist().index(0.2)]
    far, pofd = 8 / 10, 8 / 998
    base = 0.002

    def by(false: float) -> float:
        return (base - false * 0.2 * (1 - base) + base * 0.8 - base) / (base - base * 0.2)

    assert value == pytest.approx(by(pofd))
    assert value != pytest.approx(by(far))
