"""The contract: the transcribed OpenAPI document, and the grant-file schema derived from it."""
