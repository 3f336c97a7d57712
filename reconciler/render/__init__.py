"""Pure: plans, problems and outcomes as text or JSON."""
