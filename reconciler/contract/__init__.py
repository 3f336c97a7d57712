"""The description of Auth0's API, and the schemas that are derived from it."""
