"""Condition and health of vegetation by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.indices.vegetation import fit_vegetation, tci, vci, vhi
from tests.indices.made_series import series


def test_vegetation_by_hand() -> None:
    time = pd.date_range("2001-01-06", "2012-12-06", freq="MS") + pd.Timedelta("5D")
    year = np.asarray(time.year, float)
    ndvi = series(0.3 + 0.02 * (year - 2001), time, "1")
    lst = series(310.0 - 0.5 * (year - 2001), time, "K")
    span: dict[str, Any] = {
        "start": datetime(2001, 1, 1, tzinfo=UTC),
        "end": datetime(2012, 1, 1, tzinfo=UTC),
    }
    bounds = fit_vegetation(ndvi=ndvi, lst=lst, **span)
    # January 2001 is not in the series, so its bounds rest on ten years, the others on eleven.
    green, warm = vci(ndvi=ndvi, parameters=bounds), tci(lst=lst, parameters=bounds)
    july = green["time"].dt.month == 7
    np.testing.assert_allclose(green.values[july], [*np.arange(0, 101, 10), 100], atol=1e-9)
    np.testing.assert_allclose(warm.values[july], [*np.arange(0, 101, 10), 100], atol=1e-9)
    health = vhi(vci=green, tci=(100 - warm).assign_attrs(units="%"), weight=0.25)
    assert health.sel(time="2003-07-06").item() == pytest.approx(0.25 * 20 + 0.75 * 80)
    few = fit_vegetation(
        ndvi=ndvi, lst=lst, start=span["start"], end=datetime(2010, 1, 1, tzinfo=UTC)
    )
    assert np.isnan(vci(ndvi=ndvi, parameters=few)).all()
    with pytest.raises(ValueError, match="expected units 'K', found 'degC'"):
        tci(lst=lst.assign_attrs(units="degC"), parameters=bounds)
