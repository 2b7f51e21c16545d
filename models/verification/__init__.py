"""Scores of forecasts and alerts, their uncertainty and reports."""
