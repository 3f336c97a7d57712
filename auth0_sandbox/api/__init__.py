"""The resources of the Management API, and /oauth/token."""
