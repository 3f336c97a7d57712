"""reconciler.yaml, parsed into tenants."""
