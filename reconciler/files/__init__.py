"""Read and write grant files: convert YAML files to grant specs, and report problems with positions."""
