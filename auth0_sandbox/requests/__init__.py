"""Parse, check, route and answer the requests to the sandbox."""
