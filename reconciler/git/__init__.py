"""The only package that runs git: find a repository, read a revision, read attributes. Nothing in a file steers it."""
