"""Files that a run writes as evidence: saved plans, journals, snapshots, result files and usage files."""
