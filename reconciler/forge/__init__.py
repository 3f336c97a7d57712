"""Post reports as comments on pull requests (GitHub, GitLab, Azure DevOps, Bitbucket) or as issues (GitHub, GitLab)."""
