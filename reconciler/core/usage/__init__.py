"""Pure: the use of grants, according to log events."""
