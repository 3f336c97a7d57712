"""Pure: decide how a grant file writes a value of auth0-deploy-cli: with variables, a scope set, or for each tenant.

A variable or scope set is used only if it gives the value of every tenant.
"""

import re
from collections.abc import Mapping, Sequence

from reconciler.core.scope_sets import PREFIX, SET_NAME, escape_scope
from reconciler.core.shared_grants import FieldValue
from reconciler.core.tenant_filter import BUILT_IN, escape_variables, insert_variables, substitute
from reconciler.foreign.deploy_settings import DeployTenant
from reconciler.foreign.document import ForeignNode
from reconciler.foreign.keywords import Keyword, KeywordText, VariableNames, variable_value

DOMAIN_VARIABLE = f"${{{BUILT_IN}}}"
SCOPE = "scope"


class KeywordTexts:
    """Chooses texts for grant files. It collects the variables and scope sets that the texts use."""

    def __init__(self, tenants: Sequence[DeployTenant], keys: Sequence[str]) -> None:
        self._tenants = {each.name: each for each in tenants}
        self._names = VariableNames(set(keys))
        self._values = {
            each.name: {
                key: value for key in each.mappings if (value := variable_value(key, each.mappings)) is not None
            }
            for each in tenants
        }
        self._used: set[str] = set()
        self.scope_sets: dict[str, dict[str, tuple[str, ...]]] = {}

    def choose(
        self, field: str, values: Mapping[str, FieldValue], template: ForeignNode | None, keywords: KeywordText
    ) -> dict[str, FieldValue]:
        """Return the text of a field or list for each tenant.

        Args:
            field: The name of the field.
            values: The value of each tenant.
            template: The value with tokens instead of keywords, or None if it is not known.
            keywords: The keywords of the file.
        """
        if all(isinstance(value, str) for value in values.values()):
            return dict(self._choose_text({name: str(value) for name, value in values.items()}, template, keywords))
        lists = {name: tuple(map(str, value)) for name, value in values.items() if isinstance(value, tuple)}
        if field == SCOPE and (scope_set := self._scope_set(lists, template, keywords)):
            return dict.fromkeys(lists, scope_set)
        items = template.items if template else []
        escape = escape_scope if field == SCOPE else str
        if any(len(value) != len(items) for value in lists.values()):
            return {
                name: tuple(escape(self._with_domain(name, each)) for each in value) for name, value in lists.items()
            }
        columns = [
            self._choose_text({name: value[index] for name, value in lists.items()}, item, keywords)
            for index, item in enumerate(items)
        ]
        return {name: tuple(escape(column[name]) for column in columns) for name in lists}

    def _scope_set(
        self, lists: Mapping[str, tuple[str, ...]], template: ForeignNode | None, keywords: KeywordText
    ) -> tuple[str, ...]:
        """Return a scope set if the list of each tenant is the value of one keyword, otherwise nothing."""
        parts = keywords.parts(template.value) if template and isinstance(template.value, str) else []
        if len(parts) != 1 or not isinstance(parts[0], Keyword) or not parts[0].is_json or not all(lists.values()):
            return ()
        name = re.sub("[^A-Za-z0-9_-]", "_", parts[0].key)
        name = name if re.fullmatch(SET_NAME, name) else f"k_{name}"
        found = {
            tenant: tuple(sorted(escape_scope(self._with_domain(tenant, each)) for each in scopes))
            for tenant, scopes in lists.items()
        }
        known = self.scope_sets.setdefault(name, found)
        if any(known.get(tenant, scopes) != scopes for tenant, scopes in found.items()):
            return ()
        known.update(found)
        return (f"{PREFIX}{name}",)

    def _choose_text(
        self, values: Mapping[str, str], template: ForeignNode | None, keywords: KeywordText
    ) -> dict[str, str]:
        by_domain = {name: self._with_domain(name, value) for name, value in values.items()}
        if template is None or not isinstance(template.value, str):
            return by_domain
        parts = keywords.parts(template.value)
        keys = {each.key for each in parts if isinstance(each, Keyword)}
        if not keys:
            return by_domain
        texts = set(by_domain.values())
        if len(texts) == 1 and _is_only_domain(next(iter(texts)), template.value):
            return by_domain
        of_domain = {
            key for key in keys if all(self._values[name].get(key) == self._tenants[name].domain for name in values)
        }
        text = self._names.template(parts, of_domain)
        for name, value in values.items():
            known = {self._names[key]: each for key, each in self._values[name].items() if key in keys}
            if substitute(text, known | {BUILT_IN: self._tenants[name].domain or ""}) != value:
                return by_domain
        self._used |= keys - of_domain
        return dict.fromkeys(values, text)

    def _with_domain(self, tenant: str, text: str) -> str:
        domain = self._tenants[tenant].domain
        return insert_variables(text, {BUILT_IN: domain}) if domain else escape_variables(text)

    def fill(self, tenant: str, text: str) -> str:
        """Return a chosen text with the values of a tenant."""
        return substitute(text, self.variables()[tenant] | {BUILT_IN: self._tenants[tenant].domain or ""})

    def variables(self) -> dict[str, dict[str, str]]:
        """Return the variables of each tenant that the texts use."""
        return {
            name: {self._names[key]: values[key] for key in sorted(self._used) if key in values}
            for name, values in self._values.items()
        }

    def sets_of_tenants(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the scope sets of each tenant."""
        return {
            tenant: {name: found[tenant] for name, found in self.scope_sets.items() if tenant in found}
            for tenant in self._tenants
        }


def _is_only_domain(text: str, template: str) -> bool:
    """Return whether `text` differs from the template only by the variable of the domain, which is there once."""
    before, variable, after = text.partition(DOMAIN_VARIABLE)
    is_once = bool(variable) and DOMAIN_VARIABLE not in after
    return is_once and template.startswith(before) and template.endswith(after)
