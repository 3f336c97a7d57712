"""Write the results of commands as text, Markdown, JSON, SARIF and workflow commands of GitHub."""
