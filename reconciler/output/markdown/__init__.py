"""Write results as a comment on a pull request."""
