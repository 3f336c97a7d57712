"""Access the Auth0 Management API over HTTP."""
