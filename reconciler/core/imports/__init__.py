"""Select the grants that `import` writes to grant files, and suggest variables."""
