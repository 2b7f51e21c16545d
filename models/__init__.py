"""Forecast models: stage change and drought class, with calibrated probabilities."""
