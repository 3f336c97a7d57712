"""Files that a run writes as evidence: saved plans, journals, snapshots, fleet files and usage files."""
