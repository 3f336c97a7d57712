"""Pure: the access report in every format. Each format is a function of `AccessReport`."""
