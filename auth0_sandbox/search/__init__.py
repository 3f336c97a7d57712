"""Search queries: parse SCIM and Lucene expressions, and turn them into conditions of the database."""
