"""A local Auth0 tenant."""
