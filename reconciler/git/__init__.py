"""The only package that runs git: find a repository, read revisions and attributes."""
