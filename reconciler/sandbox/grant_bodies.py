"""Pure: the body that POST /client-grants takes."""

from functools import cache

from reconciler.sandbox.contract import body
from reconciler.sandbox.documents import Schema

# A third kind was learnt after the contract was written down; a POST of it has been recorded.
SUBJECT_TYPES = ("client", "user", "anonymous_user")


@cache
def create_body() -> Schema:
    """Return the schema of POST's body: the contract's, with every kind of subject that tenants take."""
    schema = body("POST", "/client-grants")
    subject_type = {**schema["properties"]["subject_type"], "enum": list(SUBJECT_TYPES)}
    return {**schema, "properties": {**schema["properties"], "subject_type": subject_type}}
