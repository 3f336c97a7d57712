"""The use of grants, according to log events."""
