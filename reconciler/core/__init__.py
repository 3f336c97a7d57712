"""Compute a plan from the declared grants and the grants of the tenant, without input or output."""
