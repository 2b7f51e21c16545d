"""Stage forecasts 1 to 7 days ahead."""
