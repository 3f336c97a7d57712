"""Post reports as comments and issues on GitHub and GitLab."""
