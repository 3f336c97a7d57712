"""The Auth0 Management API over HTTP: the only package that knows httpx and the wire."""
