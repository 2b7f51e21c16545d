"""Gauge readings: one module per layout, and what all layouts share."""
