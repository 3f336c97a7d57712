"""Pure: the access of applications to APIs, with the reasons and changes of each access."""
