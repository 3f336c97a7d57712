"""The endpoints of the Management API, and /oauth/token."""
