"""Parse the tenants in reconciler.yaml and select tenants."""
