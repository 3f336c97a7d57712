"""The only package that runs git. The package finds repositories and reads revisions, history and attributes."""
