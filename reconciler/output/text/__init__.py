"""Write results as lines of text for a terminal."""
