"""Serve a tenant over HTTP or inside a process."""
