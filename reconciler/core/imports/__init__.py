"""Pure: the choice of the grants that an import writes, and of their variables."""
