"""The GraphQL documents for GitHub are valid against the schema that GitHub publishes."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from reconciler.forge import github

SCHEMA = Path(sys.prefix) / "node_modules" / "@octokit" / "graphql-schema" / "schema.graphql"
DOCUMENTS = {name: text for name, text in vars(github).items() if re.match(r"\s*(query|mutation) ", str(text))}

pytestmark = pytest.mark.skipif(
    not (SCHEMA.exists() and shutil.which("node")), reason="npm is not installed, so the schema is missing"
)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(
        SCHEMA.read_text(encoding="utf-8"), assume_valid_sdl=True
    )  # the published schema defines one field twice


def test_all_documents_are_found() -> None:
    assert len(DOCUMENTS) == 8


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_valid_against_the_schema_of_github(schema: GraphQLSchema, document: str) -> None:
    assert validate(schema, parse(document)) == []
