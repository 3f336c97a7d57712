"""Declarative config-as-code for Auth0 client grants."""

__version__ = "0.1.0"
DISTRIBUTION = "auth0-grants"
"""The name of the package on the package index.

On the package index, the name `reconciler` belongs to a different package.
"""
