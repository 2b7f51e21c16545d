"""Weights of the nodes in some reaches of the main stem, as the basin has them."""

import numpy as np

from pipeline.virtual.lattice import BASIN


def reaches() -> dict[str, np.ndarray]:
    """Return bell-shaped weights of the basin's nodes around the middle of three reaches."""
    centres = {"pakse": (15.2, 103.5), "kratie": (13.8, 107.0), "chiang_saen": (28.0, 98.5)}
    found = {}
    for name, (lat, lon) in centres.items():
        near = np.exp(-((BASIN.distance_km(lat, lon) / 120.0) ** 2))
        found[name] = near / near.sum()
    return found
