"""Check the setup: connect to the tenant as a run does, and report a result for each requirement of a run."""
