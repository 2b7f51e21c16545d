"""Drought class forecasts 1 to 12 weeks ahead."""
