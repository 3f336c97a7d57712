"""The API description of Auth0's endpoint, and the schema of grant files derived from it."""
