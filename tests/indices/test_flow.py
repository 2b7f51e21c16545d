"""Standardised runoff and discharge by hand, and discharge against the agreed low flow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dask
import numpy as np
import pytest
import scipy.stats
import xarray as xr

from pipeline.indices.flow import fit_sdi, fit_sri, low_flow_ratio, mean_flow, sdi, sri
from tests.indices.made_series import END, START, by_month, daily, refuse


def test_sri_has_a_mass_of_zeros() -> None:
    rng = np.random.default_rng(3)
    runoff = by_month(np.where(rng.random(360) < 0.2, 0.0, rng.lognormal(3, 0.6, 360)))
    params = fit_sri(runoff=runoff, start=START, end=END)
    index = sri(runoff=runoff, parameters=params).values[4::12]
    x = runoff.values[4::12]
    n0 = (x == 0).sum()
    assert n0 > 0
    log = np.log(x[x > 0])
    p = n0 / 31 + (1 - n0 / 31) * scipy.stats.norm.cdf((log - log.mean()) / log.std(ddof=1))
    np.testing.assert_allclose(index[x > 0], np.clip(scipy.stats.norm.ppf(p), -3, 3), atol=1e-9)
    np.testing.assert_allclose(index[x == 0], scipy.stats.norm.ppf((n0 + 1) / 62))
    mostly = by_month(np.where(rng.random(360) < 0.8, 0.0, 5.0))
    assert np.isnan(fit_sri(runoff=mostly, start=START, end=END)["mu"]).all()
    with pytest.raises(ValueError, match=r"expected 0 or more, found -1\.0"):
        sri(runoff=by_month(np.full(360, -1.0)), parameters=params)
    with pytest.raises(ValueError, match="expected units 'mm', found 'm3 s-1'"):
        fit_sri(runoff=runoff.assign_attrs(units="m3 s-1"), start=START, end=END)


def test_mean_flow_keeps_its_unit() -> None:
    flow = by_month(np.arange(1.0, 361.0), "m3 s-1")
    mean = mean_flow(discharge=flow, steps=12)
    assert mean.attrs["units"] == "m3 s-1"
    assert mean.attrs["window"] == "12 x month"
    assert mean.values[11] == 6.5
    assert np.isnan(mean.values[:11]).all()


def test_sdi_is_the_standard_score_of_the_logarithm() -> None:
    rng = np.random.default_rng(1)
    time = np.arange("1991-01", "2021-01", dtype="M8[M]").astype("M8[ns]")
    flow = xr.DataArray(
        rng.lognormal(8.0, 0.4, 360), {"time": time}, name="q", attrs={"units": "m3 s-1"}
    )
    span: dict[str, Any] = {
        "start": datetime(1991, 1, 1, tzinfo=UTC),
        "end": datetime(2021, 1, 1, tzinfo=UTC),
    }
    params = fit_sdi(discharge=flow, **span)
    april = np.log(flow.values[3::12])
    expected = np.clip((april - april.mean()) / april.std(ddof=1), -3, 3)
    np.testing.assert_allclose(sdi(discharge=flow, parameters=params).values[3::12], expected)
    with dask.config.set(scheduler=refuse):
        lazy = sdi(
            discharge=flow.chunk(time=50), parameters=fit_sdi(discharge=flow.chunk(), **span)
        )
    np.testing.assert_allclose(lazy.compute(scheduler="sync").values[3::12], expected)
    with pytest.raises(ValueError, match="expected above 0, found 0"):
        fit_sdi(discharge=(flow * 0).assign_attrs(units="m3 s-1"), **span)
    with pytest.raises(ValueError, match="expected 20 years or more, found 18"):
        fit_sdi(discharge=flow, start=span["start"], end=datetime(2009, 1, 1, tzinfo=UTC))
    gaps = flow.where(flow["time"].dt.year >= 2002)
    assert np.isnan(sdi(discharge=gaps, parameters=fit_sdi(discharge=gaps, **span))).all()


def test_low_flow_ratio_has_no_value_without_a_reference() -> None:
    flow = daily(np.full(365, 837.0), "2019-01-01", units="m3 s-1")
    agreed = xr.DataArray(
        [1398.0, 1051.0, 837.0, 731.0, 735.0, 1057.0],
        {"month": [12, 1, 2, 3, 4, 5]},
        attrs={"units": "m3 s-1"},
    )
    ratio = low_flow_ratio(discharge=flow, reference_flow=agreed)
    assert ratio.sel(time="2019-02-10").item() == 1.0
    assert ratio.sel(time="2019-12-31").item() == pytest.approx(837 / 1398)
    assert np.isnan(ratio.sel(time=slice("2019-06-01", "2019-11-30"))).all()
