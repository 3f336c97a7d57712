"""Pure: the choice of grants and variables for `import`."""
