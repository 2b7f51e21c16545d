"""Names in the stage forecasts: of their quantiles, and of what they are issued as."""

from __future__ import annotations

MODEL, PERSISTENCE, CLIMATOLOGY = "model", "persistence", "climatology"
"""What a forecast is issued as: the model's own, the last reading, or past stages of the season."""
QUANTILES = {
    "q025": 0.025,
    "q05": 0.05,
    "q10": 0.10,
    "q25": 0.25,
    "q50": 0.50,
    "q75": 0.75,
    "q90": 0.90,
    "q95": 0.95,
    "q975": 0.975,
}
INTERVALS = ("q025", "q10", "q90", "q975")
"""Ends of the intervals whose coverage is scored."""
HIGHEST = {
    f"q{f'{level:.3f}'[2:].rstrip('0').ljust(2, '0')}": level
    for level in (0.005, 0.01, *(k / 40 for k in range(1, 40)), 0.99, 0.995)
}
"""Quantiles of the highest stage: so fine that a straight line between two is good to 0.02."""
