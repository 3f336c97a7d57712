"""Declarative config-as-code for Auth0 client grants."""

__version__ = "0.1.0"
