"""Parse reconciler.yaml into tenants, and choose tenants."""
