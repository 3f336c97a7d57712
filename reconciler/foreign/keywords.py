"""Replace the placeholders (keywords) in files of auth0-deploy-cli with values or variables.

auth0-deploy-cli replaces keywords such as `##KEY##` in a file before parsing the file. auth0-deploy-cli replaces
`##KEY##` with the value of KEY as text. auth0-deploy-cli replaces `@@KEY@@` and the quotes around `@@KEY@@` with the
value of KEY as JSON. In a grant file, reconciler replaces a keyword with a variable or scope set that gives the correct
value for every tenant.

Source: keywordReplace in auth0-deploy-cli 8.44, file src/tools/utils.ts.
"""

import json
import re
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.expressible import CONTROL_CHARACTER, MAX_TEXT_LENGTH
from reconciler.core.imports.shared_grants import FieldValue
from reconciler.core.scope_sets import PREFIX, SET_NAME, escape_scope
from reconciler.core.tenant_filter import BUILT_IN, VARIABLE_NAME, escape_variables, insert_variables, substitute
from reconciler.foreign.deploy_settings import DeployTenant
from reconciler.foreign.document import ForeignNode

USUAL_KEY = r"[A-Za-z0-9_]+"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A placeholder such as `##KEY##` at one position in a file. `marker` is the placeholder as written in the file.

    `is_json` is true for `@@KEY@@`.
    """

    key: str
    marker: str
    is_json: bool


def replace_keywords(text: str, mappings: Mapping[str, object]) -> str:
    """Replace the placeholders in `text` with their values, as auth0-deploy-cli does.

    A placeholder without a value stays unchanged.
    """
    for key, value in mappings.items():
        marker = re.escape(f"@@{key}@@")
        inserted = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text = re.sub(f"'{marker}'|\"{marker}\"|{marker}", inserted.replace("\\", "\\\\"), text)
    for key, value in mappings.items():
        text = text.replace(f"##{key}##", to_text(value))
    return text


def to_text(value: object) -> str:
    """Convert a JSON value to a string as JavaScript does."""
    match value:
        case str():
            return value
        case bool() | None:
            return json.dumps(value)
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return ",".join("" if each is None else to_text(each) for each in value)
        case dict():
            return "[object Object]"
        case _:
            return str(value)


class KeywordText:
    """The content of a file after the replacement of each placeholder with a unique word (a token).

    A YAML parser can read the content, because each token is a valid YAML string.
    """

    def __init__(self, text: str, keys: Collection[str], *, is_json: bool = False) -> None:
        known = "|".join([*map(re.escape, sorted(keys, key=len, reverse=True)), USUAL_KEY])
        self._marker = re.compile(rf"(?P<quote>['\"]?)@@(?P<json>{known})@@(?P=quote)|##(?P<text>{known})##")
        self._prefix = max(re.findall("kq+", text), key=len, default="k") + "q"
        self.keywords: dict[str, Keyword] = {}
        self._quote = '"' if is_json else ""
        self.text = self._marker.sub(self._token, text)
        self._tokens = re.compile(rf"{self._prefix}[0-9]+z")

    def _token(self, found: re.Match[str]) -> str:
        token = f"{self._prefix}{len(self.keywords)}z"
        is_json = found["json"] is not None
        self.keywords[token] = Keyword(found["json"] or found["text"], found[0], is_json)
        return f"{self._quote}{token}{self._quote}" if is_json else token

    def without_missing(self, mappings: Mapping[str, object], original: str) -> str:
        """Replace placeholders as auth0-deploy-cli does.

        If a placeholder has no value, a token (a unique word) replaces the placeholder.
        """
        missing: dict[str, deque[str]] = defaultdict(deque)
        for token, keyword in self.keywords.items():
            if keyword.key not in mappings:
                quote = self._quote if keyword.is_json else ""
                missing[keyword.marker].append(f"{quote}{token}{quote}")

        def next_token(found: re.Match[str]) -> str:
            tokens = missing.get(found[0])
            return tokens.popleft() if tokens else found[0]

        text = self._marker.sub(next_token, replace_keywords(original, mappings))
        for marker, tokens in missing.items():  # a value can join with the text around it and hide a marker
            for token in tokens:
                text = text.replace(marker, token, 1)
        return text

    def restore(self, text: str) -> str:
        """Return `text` with the original placeholders instead of tokens (unique words)."""
        if not self.keywords:
            return text
        return "".join(each if isinstance(each, str) else each.marker for each in self.parts(text))

    def parts(self, text: str) -> list[str | Keyword]:
        """Split `text` into placeholders and the strings between the placeholders."""
        parts: list[str | Keyword] = []
        start = 0
        for found in self._tokens.finditer(text):
            keyword = self.keywords.get(found[0])
            if keyword is not None:
                parts += [text[start : found.start()], keyword]
                start = found.end()
        return [each for each in (*parts, text[start:]) if each]


def variable_value(key: str, mappings: Mapping[str, object]) -> str | None:
    """Return the value of a placeholder as a string, or None if the value is not valid for a variable."""
    if isinstance(mappings.get(key), list | dict | None):
        return None
    value = replace_keywords(f"##{key}##", mappings)
    return value if 0 < len(value) <= MAX_TEXT_LENGTH and not CONTROL_CHARACTER.search(value) else None


class VariableNames:
    """Chooses a variable name for each placeholder.

    If the key of a placeholder is a valid variable name, the key becomes the name of the variable.
    """

    def __init__(self, keys: Collection[str]) -> None:
        self._names: dict[str, str] = {}
        taken = {BUILT_IN}
        is_valid = re.compile(VARIABLE_NAME).fullmatch
        for key in sorted(keys, key=lambda each: (not is_valid(each), each)):
            base = name = key if is_valid(key) else re.sub("[^A-Za-z0-9_]", "_", f"k_{key}")
            number = 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
            self._names[key] = name

    def __getitem__(self, key: str) -> str:
        """Return the name of the variable for the placeholder with the key `key`."""
        return self._names[key]

    def template(self, parts: list[str | Keyword], domain_keys: Collection[str]) -> str:
        """Join `parts` into a value for a grant file, and replace each placeholder with a variable.

        A placeholder with a key in `domain_keys` becomes `${domain}`.
        """
        return "".join(
            escape_variables(each)
            if isinstance(each, str)
            else f"${{{BUILT_IN if each.key in domain_keys else self[each.key]}}}"
            for each in parts
        )


DOMAIN_VARIABLE = f"${{{BUILT_IN}}}"
SCOPE = "scope"


class KeywordTexts:
    """Chooses field values for grant files, and replaces placeholders with variables where possible.

    The class also collects the variables and scope sets that the grant files use.
    """

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
        """Return each tenant's value of the field `field` in a grant file: a string or a tuple of strings.

        `values` maps each tenant name to the tenant's value of `field`. `template` is the YAML node of the field, with
        a token (a unique word) in place of each placeholder. `template` is None if a placeholder changes
        the structure of the file. `keywords` contains the text of the auth0-deploy-cli file, and the placeholders in
        the text.
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
        """If a single placeholder stands for the whole list of scopes, return a reference to a scope set.

        Return an empty tuple if no single placeholder, such as `@@SCOPES@@`, stands for the list of scopes.
        """
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
            known = {self._names[key]: self._values[name][key] for key in keys & self._values[name].keys()}
            if substitute(text, known | {BUILT_IN: self._tenants[name].domain or ""}) != value:
                return by_domain
        self._used |= keys - of_domain
        return dict.fromkeys(values, text)

    def _with_domain(self, tenant: str, text: str) -> str:
        domain = self._tenants[tenant].domain
        return insert_variables(text, {BUILT_IN: domain}) if domain else escape_variables(text)

    def fill(self, tenant: str, texts: Iterable[str]) -> list[str]:
        """Replace the variables in `texts` with the values of a tenant.

        `texts` must contain only strings that `choose` returned.
        """
        values = self.variables()[tenant] | {BUILT_IN: self._tenants[tenant].domain or ""}
        return [substitute(text, values) for text in texts]

    def variables(self) -> dict[str, dict[str, str]]:
        """Return the variables that the grant files use, with their values for each tenant."""
        return {
            name: {self._names[key]: values[key] for key in sorted(self._used) if key in values}
            for name, values in self._values.items()
        }

    def sets_of_tenants(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the scope sets that the grant files use, with their scopes for each tenant."""
        return {
            tenant: {name: found[tenant] for name, found in self.scope_sets.items() if tenant in found}
            for tenant in self._tenants
        }


def _is_only_domain(text: str, template: str) -> bool:
    """Return whether `text` is equal to `template` with one part replaced by `${domain}`."""
    before, variable, after = text.partition(DOMAIN_VARIABLE)
    is_once = bool(variable) and DOMAIN_VARIABLE not in after
    return is_once and template.startswith(before) and template.endswith(after)
