"""Results as a comment on a pull request."""
