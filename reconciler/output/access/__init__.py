"""Pure: the access report in every output format. Each format is a function that takes an `AccessReport`."""
