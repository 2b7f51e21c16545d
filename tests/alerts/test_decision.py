from __future__ import annotations

from dataclasses import replace

from pipeline.alerts.decision import choose_status
from tests.alerts.alert_cases import STATION, flood, pluvial


def test_status_of_virtual_measured_and_unverified_evidence() -> None:
    decision = flood(0.6)
    assert choose_status(decision, origin="virtual", wanted="Actual") == "Exercise"
    assert choose_status(decision, origin="measured", wanted="Actual") == "Actual"
    assert choose_status(decision, origin="measured", wanted="Test") == "Test"
    unverified = replace(decision, station=replace(STATION, threshold_verified=False))
    assert choose_status(unverified, origin="measured", wanted="Actual") == "Test"
    assert choose_status(pluvial(6.0), origin="measured", wanted="Actual") == "Actual"
