"""The description of Auth0's Management API, and the JSON Schemas that reconciler derives from the description."""
