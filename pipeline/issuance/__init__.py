"""One run of a night: what it knows, forecasts, decides and issues."""
