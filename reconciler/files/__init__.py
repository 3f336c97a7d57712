"""Grant files in: from a folder of YAML to grant specs, or to every problem with its place."""
