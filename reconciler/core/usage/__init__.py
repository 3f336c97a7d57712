"""Pure: the use of grants, counted from log events."""
