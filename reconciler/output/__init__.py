"""Results as text, Markdown, JSON, SARIF and workflow commands."""
