"""Indices of every cell of the grid, and how they are stored."""
