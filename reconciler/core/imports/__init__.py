"""Select the tenant's grants that `import` writes to grant files, and suggest variables for the grant files."""
