"""Parse reconciler.yaml, and report problems that the JSON Schema cannot find."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from os.path import normpath
from pathlib import Path
from typing import Any

from reconciler.config.tenants import Config, tenant_name_advice
from reconciler.core.characters import join_some, quote_text, skeleton, to_latin, visible
from reconciler.core.expiry import DEFAULT_WARN_BEFORE, DURATION_UNITS
from reconciler.core.fleet.rollout import DEFAULT_STOP_AFTER, Rollout, Wave
from reconciler.core.identity import (
    AUTH0_HOSTS,
    CREDENTIALS_PREFIX,
    SANDBOX,
    comparison_key,
    host_of,
    is_reserved,
    is_same_host,
    strip_port,
)
from reconciler.core.pattern import PATTERN_FIELDS, WILDCARDS, ManagedScope, Pattern, Protect
from reconciler.core.problems import Problem, Source
from reconciler.core.settings import GrantSchema, Limits, Policy, PolicyRule, Verdict
from reconciler.core.tenant import SANDBOX_DATABASE, SANDBOX_DOMAIN, Tenant, TenantKind
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.document import mark_of

MAX_PATTERNS = 200
"""The maximum total number of regular expressions in all JSON Schemas of the setting `policy`.

MAX_PATTERNS limits memory and time, because a regular expression may need a megabyte and is matched with every grant.
"""


def parse_config(data: Mapping[str, Any], file: str) -> Config:
    """Parse the content of reconciler.yaml. The content must be valid according to the JSON Schema.

    Paths in the settings are relative to the folder of the configuration file. The settings of a tenant combine with
    the shared settings as follows:

    - A tenant's values of `protect` and `own` are added to the values that all tenants share.
    - A tenant's values of `credentials`, `manage` and `warn_before` replace the values that all tenants share.
    - Each value in `variables`, `scope_sets` and `limits` replaces the shared value with the same name.
    - The rules in the tenant's `policy` are checked before the shared rules.

    Raises:
        ProblemsError: if a domain is invalid or used twice, or if the default tenant is not declared.
    """
    if problems := tuple(_problems(data, file)):
        raise ProblemsError(problems)
    shared = Config(
        file=file,
        default_tenant=data.get("default_tenant"),
        variables=data.get("variables") or {},
        scope_sets=_scope_sets(data),
        scope_set_sources=dict(_scope_set_sources(data, file)),
        credentials=data.get("credentials", CREDENTIALS_PREFIX),
        managed_scope=_managed_scope(data),
        protect=_protect(data),
        own_applications=frozenset(data.get("own") or ()),
        limits=_limits(data, Limits()),
        policy=_policy(data),
        rollout=_rollout(data),
        warn_before=_warn_before(data, DEFAULT_WARN_BEFORE),
    )
    folder = Path(file).parent
    tenants = {name: _tenant(name, item or {}, folder, shared) for name, item in (data.get("tenants") or {}).items()}
    return replace(shared, tenants=tenants)


def _problems(data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Yield the problems in reconciler.yaml that the JSON Schema cannot find."""
    tenants = data.get("tenants") or {}
    yield from _name_problems(tenants, data, file)
    yield from _domain_problems(tenants, data, file)
    yield from _schema_problems(data, file)
    yield from _database_problems(tenants, data, file)
    yield from _wave_problems(tenants, data, file)
    default = data.get("default_tenant")
    if default is not None and default not in tenants:
        source = Source(file, *mark_of(data, ("default_tenant",)))
        yield Problem(
            source, f'this file does not declare the tenant "{default}"', tenant_name_advice(default, tenants)
        )


def tenant_name_problem(name: str) -> str:
    """Return the reason why a tenant cannot have the name `name`, or an empty string.

    A tenant name is used as an argument of --tenant, in RECONCILER_TENANT, in file names, and in the tenant lists of
    pipeline files. In a grant file, a tenant name with a wildcard would match several tenants.
    """
    if not name:
        return "the tenant name is empty"
    if any(char.isspace() for char in name):
        return f"the tenant name {quote_text(name)} contains a space"
    if "," in name:
        return f"the tenant name {quote_text(name)} contains a comma, which separates names in RECONCILER_TENANT"
    if name.startswith("-"):
        return f"the tenant name {quote_text(name)} starts with - like an option"
    if not WILDCARDS.isdisjoint(name):
        return f"the tenant name {quote_text(name)} contains a wildcard (* or ?), which grant files use in patterns"
    return ""


def _name_problems(tenants: Mapping[str, Any], data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Yield a problem for each tenant name that is invalid or that a reader may confuse with another tenant's name.

    Plans show the word SANDBOX only after the name of a sandbox, so the name of a tenant at Auth0 must not contain it.
    """
    first_names: dict[str, str] = {}
    for name, item in tenants.items():
        similar = first_names.setdefault(skeleton(name), name)
        if similar != name and not (name.isascii() and similar.isascii()):
            what = f"the tenant names {quote_text(similar)} and {quote_text(name)} look alike"
            yield Problem(Source(file, *mark_of(data, ("tenants", name))), what, "rename one of the tenants")
        if problem := tenant_name_problem(name):
            yield Problem(Source(file, *mark_of(data, ("tenants", name))), problem, "rename the tenant")
        if SANDBOX in to_latin(name) and (item or {}).get("kind", TenantKind.AUTH0) != TenantKind.SANDBOX:
            source = Source(file, *mark_of(data, ("tenants", name)))
            yield Problem(
                source,
                f"the tenant name {quote_text(name)} contains {SANDBOX}, but the tenant is not a sandbox",
                "rename the tenant",
            )


def _domain_problems(tenants: Mapping[str, Any], data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Yield a problem for each `domain` that is invalid, belongs to two tenants, or contradicts `canonical_domain`."""
    first: dict[str, str] = {}
    for name, item in tenants.items():
        hosts: dict[str, str] = {}
        for key in ("domain", "canonical_domain"):
            source = Source(file, *mark_of(data, ("tenants", name, key)))
            try:
                hosts[key] = host_of(str((item or {}).get(key, SANDBOX_DOMAIN)))
            except ReconcilerError as error:
                message, _, fix = str(error).partition("; ")
                yield Problem(source, message, fix)
                continue
            if key not in (item or {}):
                continue
            if item.get("kind", TenantKind.AUTH0) != TenantKind.AUTH0:
                yield from _sandbox_domain_problems(hosts[key], source)
                continue
            earlier = first.setdefault(comparison_key(hosts[key]), name)
            if earlier != name:
                other = quote_text(earlier)
                message = f"the tenant {other} already has the domain {hosts[key]}, so both names mean the same tenant"
                yield Problem(source, message, "correct the domain, or remove one of the two tenants")
        yield from _canonical_domain_problems(hosts, source, item or {})


def _sandbox_domain_problems(host: str, source: Source) -> Iterator[Problem]:
    """Yield a problem if a sandbox has a domain that may belong to a tenant at Auth0.

    A local sandbox must not have the domain of a tenant at Auth0, because a plan for the sandbox would look like a plan
    for the tenant.
    """
    if not is_reserved(host):
        message = f"a sandbox cannot have the domain {host}, which can belong to a real tenant"
        yield Problem(
            source,
            message,
            f"remove the domain, use a name that ends in .localhost, or remove kind: {TenantKind.SANDBOX}",
        )


def _canonical_domain_problems(hosts: Mapping[str, str], source: Source, item: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if `domain` is a domain that Auth0 assigned and differs from `canonical_domain`."""
    if "canonical_domain" not in item or len(hosts) < len(("domain", "canonical_domain")):
        return
    domain = strip_port(hosts["domain"])
    if domain.endswith(AUTH0_HOSTS) and not is_same_host(domain, hosts["canonical_domain"]):
        message = f"the domain {domain} is the canonical domain of another tenant"
        yield Problem(source, message, "remove canonical_domain, or correct one of the two domains")


def _database_problems(tenants: Mapping[str, Any], data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Yield a problem for each sandbox that uses the database file of a sandbox further up in reconciler.yaml."""
    first: dict[str, str] = {}
    for name, item in tenants.items():
        if (item or {}).get("kind") == TenantKind.SANDBOX:
            database = normpath(str(item.get("database", SANDBOX_DATABASE)))
            earlier = first.setdefault(database, name)
            if earlier != name:
                source = Source(file, *mark_of(data, ("tenants", name, "database")))
                message = f"this sandbox has the database of {quote_text(earlier)}, so both names mean the same tenant"
                yield Problem(
                    source,
                    message,
                    (f"use another database for this sandbox, for example database: .reconciler/{visible(name)}.db"),
                )


def _wave_problems(tenants: Mapping[str, Any], data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Yield the problems of the setting `waves`: repeated names, unknown tenants, and tenants without a rollout wave.

    A pattern in a rollout wave is valid even if the pattern matches no tenant. A tenant without a rollout wave is an
    error, because no run would change the tenant.
    """
    first: dict[str, Source] = {}
    for number, wave in enumerate(data.get("waves") or ()):
        source = Source(file, *mark_of(data, ("waves", number, "name")))
        earlier = first.setdefault(wave["name"], source)
        if earlier is not source:
            message = f"the wave name {quote_text(wave['name'])} is used twice, first on line {earlier.line}"
            yield Problem(source, message, "use a different name for each wave")
        for position, tenant in enumerate(wave["tenants"]):
            if WILDCARDS.isdisjoint(tenant) and tenant not in tenants:
                at = Source(file, *mark_of(data, ("waves", number, "tenants", position)))
                yield Problem(
                    at,
                    f"this file does not declare the tenant {quote_text(tenant)}",
                    tenant_name_advice(tenant, tenants),
                )
    rollout = _rollout(data)
    if "stop_after" in data and not rollout.waves:
        source = Source(file, *mark_of(data, ("stop_after",)))
        yield Problem(source, "stop_after has no effect without waves", "declare waves, or remove stop_after")
    missing = [name for name in tenants if rollout.waves and rollout.wave_of(name) is None]
    if missing:
        source = Source(file, *mark_of(data, ("waves",)))
        of = "tenants" if missing[1:] else "tenant"
        message = f"no wave includes the {of} {join_some(missing)}, so `apply --all-tenants` would omit the {of}"
        yield Problem(source, message, 'add a last wave for the remaining tenants: {name: rest, tenants: ["*"]}')


def _schema_problems(data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    schemas = list(_own_schemas(data))
    if not schemas:
        return
    from reconciler.files.custom_schemas import NotASchemaError, compile_schema, count_patterns

    patterns = 0
    for path, schema in schemas:
        patterns += count_patterns(schema)
        if patterns > MAX_PATTERNS:
            source = Source(file, *mark_of(data, path))
            yield Problem(source, f"the schemas of this file have more than {MAX_PATTERNS} patterns", "write fewer")
            return
        try:
            compile_schema(schema)
        except NotASchemaError as error:
            yield Problem(Source(file, *mark_of(data, (*path, *error.path))), error.what, error.fix)


def _own_schemas(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """Yield each JSON Schema in the shared policy and in the policies of tenants, with the path to the JSON Schema."""
    tenants = data.get("tenants") or {}
    sections = [((), data), *((("tenants", name), item or {}) for name, item in tenants.items())]
    for path, item in sections:
        for number, schema in enumerate((item.get("policy") or {}).get("schemas") or ()):
            yield (*path, "policy", "schemas", number), schema


def _tenant(name: str, item: Mapping[str, Any], folder: Path, shared: Config) -> Tenant:
    seed = item.get("seed")
    return Tenant(
        name=name,
        domain=str(item.get("domain", SANDBOX_DOMAIN)),
        canonical_domain=item.get("canonical_domain"),
        kind=TenantKind(item.get("kind", TenantKind.AUTH0)),
        variables={**shared.variables, **(item.get("variables") or {})},
        scope_sets={**shared.scope_sets, **_scope_sets(item)},
        credentials=item.get("credentials", shared.credentials),
        managed_scope=_managed_scope(item) if item.get("manage") else shared.managed_scope,
        protect=(*shared.protect, *_protect(item)),
        own_applications=shared.own_applications.union(item.get("own") or ()),
        limits=_limits(item, shared.limits),
        policy=_policy(item).followed_by(shared.policy),
        warn_before=_warn_before(item, shared.warn_before),
        database=folder / str(item.get("database", SANDBOX_DATABASE)),
        seed=folder / str(seed) if seed else None,
    )


def _scope_sets(item: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(scopes) for name, scopes in (item.get("scope_sets") or {}).items()}


def _scope_set_sources(data: Mapping[str, Any], file: str) -> Iterator[tuple[str, Source]]:
    """Yield the name and the position of each scope set in reconciler.yaml.

    The function reads the tenants in reverse order, and reads the shared scope sets last.
    """
    tenants = data.get("tenants") or {}
    sections = [((), data), *((("tenants", name), item or {}) for name, item in tenants.items())]
    for path, item in reversed(sections):
        for name in item.get("scope_sets") or {}:
            yield name, Source(file, *mark_of(data, (*path, "scope_sets", name), key=True))


def _managed_scope(item: Mapping[str, Any]) -> ManagedScope:
    return ManagedScope(tuple(Pattern(**patterns) for patterns in item.get("manage") or ()))


def _protect(item: Mapping[str, Any]) -> tuple[Protect, ...]:
    return tuple(Protect(**patterns) for patterns in item.get("protect") or ())


def _policy(item: Mapping[str, Any]) -> Policy:
    section = item.get("policy") or {}
    rules = tuple(_policy_rule(rule) for rule in section.get("rules") or ())
    return Policy(rules, _grant_schemas(section.get("schemas") or ()))


def _grant_schemas(schemas: Sequence[Mapping[str, Any]]) -> tuple[GrantSchema, ...]:
    if not schemas:
        return ()
    from reconciler.files.custom_schemas import compile_schema

    return tuple(GrantSchema(each["title"], compile_schema(each), json.dumps(each, sort_keys=True)) for each in schemas)


def _policy_rule(rule: Mapping[str, Any]) -> PolicyRule:
    patterns = {name: rule[name] for name in PATTERN_FIELDS if name in rule}
    return PolicyRule(
        rule=rule["rule"],
        verdict=Verdict(rule["verdict"]),
        grants=Pattern(**patterns),
        reason=rule.get("reason", ""),
        max_days=rule.get("max_days"),
    )


def _warn_before(item: Mapping[str, Any], shared: timedelta) -> timedelta:
    text = item.get("warn_before")
    return shared if text is None else timedelta(**{DURATION_UNITS[text[-1]]: int(text[:-1])})


def _rollout(data: Mapping[str, Any]) -> Rollout:
    waves = tuple(Wave(wave["name"], tuple(wave["tenants"])) for wave in data.get("waves") or ())
    return Rollout(waves, data.get("stop_after", DEFAULT_STOP_AFTER))


def _limits(item: Mapping[str, Any], shared: Limits) -> Limits:
    section = item.get("limits") or {}
    return Limits(
        deletes_percent=section.get("deletes", shared.deletes_percent),
        updates_percent=section.get("updates", shared.updates_percent),
        organization_grants=section.get("organization_grants", shared.organization_grants),
    )
