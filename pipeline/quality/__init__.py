"""Quality control of gauge readings: checks, flags and what may be used."""
