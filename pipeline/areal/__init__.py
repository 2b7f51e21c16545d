"""Zonal daily series: blended rain, soil moisture and vegetation of each zone."""
