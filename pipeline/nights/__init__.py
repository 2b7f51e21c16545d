"""Finished nights as notebooks read them: labelled tables and arrays, and decisions made again."""
