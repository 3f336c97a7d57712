"""Check the setup: probe the tenant, and report one finding for each requirement of a run."""
