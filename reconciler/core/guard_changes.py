"""Pure: find grants that `protect` or `manage` matches only before or only after a change of reconciler.yaml."""

from collections.abc import Iterable, Iterator

from reconciler.core.characters import join_some, pluralize
from reconciler.core.config_changes import TenantSettings
from reconciler.core.config_rules import GRANT_ENTERED, GRANT_LEFT, ConfigChange
from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.pattern import Match


def compare_guards(
    keys: Iterable[Key], directory: Directory, old: TenantSettings, new: TenantSettings
) -> Iterator[ConfigChange]:
    """Yield a change for the grants that `protect` no longer matches, and one for those that it now matches.

    Do the same for `manage`. Both comparisons use the tenant's current names, so renaming an application is no change.
    """
    if (old.protect, old.managed_scope) == (new.protect, new.managed_scope):
        return
    ordered = sorted(keys, key=lambda key: key.order)
    for setting, is_in, rule_for_leaving, rule_for_entering in GUARDS:
        before, after = ([is_in(each, key, directory) for key in ordered] for each in (old, new))
        pairs = list(zip(ordered, before, after, strict=True))
        no_longer_matched = [key for key, matched, matches in pairs if matched and not matches]
        newly_matched = [key for key, matched, matches in pairs if matches and not matched]
        for verb, rule, found in (
            ("no longer", rule_for_leaving, no_longer_matched),
            ("now", rule_for_entering, newly_matched),
        ):
            if found:
                labels = [f"{directory.client_label(key)} -> {directory.api_label(key)}" for key in found]
                risk = rule.risk(f"{setting} {verb} matches {pluralize(len(found), 'grant')}: {join_some(labels)}")
                yield ConfigChange((new.name,), risk)


def _is_protected(settings: TenantSettings, key: Key, directory: Directory) -> bool:
    return any(each.matches(key, directory) is not Match.NO for each in settings.protect)


def _is_managed(settings: TenantSettings, key: Key, directory: Directory) -> bool:
    return settings.managed_scope.includes(key, directory)


GUARDS = (("protect", _is_protected, GRANT_LEFT, GRANT_ENTERED), ("manage", _is_managed, GRANT_ENTERED, GRANT_LEFT))
"""For each guard: its name, its test, the rule for grants that leave it, and the rule for grants that enter it."""
