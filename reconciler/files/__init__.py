"""Read and write grant files, and report each problem in a grant file with its line and column."""
