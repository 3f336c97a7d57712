"""Parse, check, route and answer requests."""
