"""The Auth0 Management API over HTTP."""
