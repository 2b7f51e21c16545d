"""Archive of grids, database of tables, and files written atomically."""
