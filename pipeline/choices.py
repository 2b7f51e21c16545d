"""Names that a user chooses among, in settings and on the command line: upstreams and regions."""

from __future__ import annotations

from typing import Literal

Upstream = Literal["virtual", "internet", "archive"]
"""Where files come from."""
Product = Literal["warning", "advisory", "vigilance"]
"""What a country's service calls a message."""
Change = Literal["new", "raised", "lowered", "figures", "reissued", "unassessed", "ended"]
"""How a message differs from the one before it in its event."""
Region = Literal["mekong", "asean"]
"""Names of the regions; their grids are in ``pipeline.geography.grid``."""

Plot = Literal["hydrograph", "history", "indices", "drought-map", "rain-map"]
"""Figures of a published night."""
IndexFormat = Literal["nc", "csv", "xlsx", "zarr"]
"""Formats of exported indices, the endings of their files."""
