"""Risk indices: pure, lazy, keyword-only functions on xarray."""
