"""Pure: from grant specs and observed grants to a plan. Values in, values out."""
