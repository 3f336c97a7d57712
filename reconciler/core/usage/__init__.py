"""Determine from log events which grants are used."""
