"""Create a JSON Schema for grant files, so that editors can complete the names of one tenant.

With the schema, editors complete the applications, APIs, organizations and scopes of the tenant. The schema also allows
unknown names, because a grant file may contain variables and names of future applications.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from reconciler.contract.derive import Schema
from reconciler.core.directory import Directory
from reconciler.core.expressible import is_writable
from reconciler.core.scope_sets import PREFIX, escape_scope
from reconciler.core.tenant_filter import TargetTenant, escape_variables, insert_variables

ANY_TEXT: Schema = {"type": "string"}


def editor_schema(grants_schema: Mapping[str, Any], directory: Directory, tenant: TargetTenant) -> dict[str, Any]:
    """Return the JSON Schema of grant files, with the names of applications, APIs and organizations in `directory`.

    If `directory` has no names that a field may contain, the schema of the field stays unchanged. The schema omits a
    name that several applications or APIs share, because a plan refuses ambiguous names.
    """
    schema: dict[str, Any] = deepcopy(dict(grants_schema))
    item = schema["properties"]["grants"]["items"]
    fields = item["properties"]
    clients = [escape_variables(name) for name, ids in directory.client_ids_by_name.items() if len(ids) == 1]
    apis = {name: ids[0] for name, ids in directory.identifiers_by_name.items() if len(ids) == 1}
    offered: dict[str, Iterable[str]] = {
        "client": clients,
        "clients": clients,
        "client_id": map(escape_variables, directory.applications_by_id),
        "api": map(escape_variables, apis),
        "audience": (_identifier(each, tenant) for each in directory.apis_by_identifier),
        "organizations": (escape_variables(each.name) for each in directory.organizations or ()),
        "scope": (f"{PREFIX}{name}" for name in tenant.scope_sets),
    }
    for name, texts in offered.items():
        place = fields[name]["items"] if fields[name].get("type") == "array" else fields[name]
        names = _names(texts)
        if names:
            place["anyOf"] = [{"enum": names}, ANY_TEXT]
        if names or (name == "scope" and directory.apis):
            for each in (fields[name], place):
                each.pop("examples", None)  # editors must suggest names that exist in the tenant, not examples
    item["allOf"] = [*item.get("allOf", ()), *_scopes_of_apis(directory, apis, tenant)]
    return schema


def _names(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if is_writable(text)})


def _identifier(identifier: str, tenant: TargetTenant) -> str:
    """Return the identifier of an API, with the variable `${domain}` instead of the tenant's domain."""
    return (
        insert_variables(identifier, {"domain": tenant.values["domain"]}) if "domain" in tenant.values else identifier
    )


def _scopes_of_apis(directory: Directory, apis: Mapping[str, str], tenant: TargetTenant) -> Iterator[Schema]:
    """Yield schema rules that make editors suggest the scopes of a grant's API and the tenant's scope sets."""
    sets = [f"{PREFIX}{name}" for name in tenant.scope_sets]
    names = {identifier: name for name, identifier in apis.items()}
    for api in directory.apis or ():
        scopes = [*_names(map(escape_scope, map(escape_variables, api.scopes))), *sets]
        alternatives = [
            {"properties": {"audience": {"const": _identifier(api.identifier, tenant)}}, "required": ["audience"]}
        ]
        if name := names.get(api.identifier):
            alternatives.insert(0, {"properties": {"api": {"const": escape_variables(name)}}, "required": ["api"]})
        if scopes:
            then = {"properties": {"scope": {"items": {"anyOf": [{"enum": scopes}, ANY_TEXT]}}}}
            yield from ({"if": each, "then": then} for each in alternatives)
