"""The virtual basin: a seeded Mekong and the true product files its sensors would publish."""

from datetime import date

SHOWCASE = date(2026, 8, 20)
"""A morning of flood along the middle Mekong (default seed)."""
