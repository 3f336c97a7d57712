"""Pure: compute a plan from grant specs and observed grants, without input or output."""
