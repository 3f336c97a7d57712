"""Injected faults: plans, files, and the engine that applies the faults to requests."""
