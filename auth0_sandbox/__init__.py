"""A local tenant with the APIs of an Auth0 tenant, for tests and demos."""
