"""Post reports where they are reviewed: comments and issues on GitHub and GitLab."""
