"""HTTP as the Management API and the hosting services both need it."""
