"""The database of a tenant."""
