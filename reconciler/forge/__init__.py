"""Reports put where they are reviewed: comments on pull and merge requests, issues, on GitHub and GitLab."""
