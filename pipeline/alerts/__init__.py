"""From forecasts to alert levels, messages and published files."""
