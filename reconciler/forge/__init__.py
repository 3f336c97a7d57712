"""Post reports as comments (GitHub, GitLab, Azure DevOps, Bitbucket) or as issues (GitHub, GitLab)."""
