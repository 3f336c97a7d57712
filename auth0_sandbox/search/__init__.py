"""Search queries: parse SCIM and Lucene expressions, and convert the expressions to SQL conditions."""
