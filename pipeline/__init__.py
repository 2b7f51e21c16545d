"""Flood and drought early warning for the cities of the Mekong."""
