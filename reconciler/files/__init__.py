"""Read grant files: from a folder of YAML files to grant specs, or to located problems."""
