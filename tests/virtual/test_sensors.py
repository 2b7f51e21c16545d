"""Errors of satellites and gauges."""

from datetime import date

import numpy as np

from pipeline.virtual import sensors
from pipeline.virtual.lattice import BASIN


def test_satellite_passes_missing_on() -> None:
    nodes = np.full(len(BASIN.lat), np.nan)
    assert np.isnan(sensors.satellite_rain(1, "gk2a", date(2020, 1, 1), nodes)).all()
