"""Render results as lines for a terminal."""
