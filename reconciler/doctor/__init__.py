"""Check the setup: probe the tenant, and report a finding for each thing that a run needs."""
