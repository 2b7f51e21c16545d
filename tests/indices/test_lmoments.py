"""L-moments and the distributions fitted from them."""

from __future__ import annotations

import numpy as np

from pipeline.indices.lmoments import weighted_moments


def test_moments_with_gaps_are_those_of_the_rest() -> None:
    rng = np.random.default_rng(8)
    x = rng.gumbel(size=(30, 4))
    holes = np.insert(x, [3, 9, 9], np.nan, axis=0)
    for whole, gapped in zip(weighted_moments(x), weighted_moments(holes), strict=True):
        np.testing.assert_allclose(whole, gapped, rtol=1e-12)
    assert np.isnan(weighted_moments(x[:2])[2]).all()
