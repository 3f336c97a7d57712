"""Pure: the access that applications have, with its reasons and its changes."""
