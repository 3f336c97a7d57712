"""HTTP code that the clients of the Management API and of the hosting services share."""
