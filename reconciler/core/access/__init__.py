"""The access of applications to APIs, with the reason for the access and the changes of the access."""
