"""Create the notes of a plan, which show facts that a reviewer could overlook."""

from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.core.characters import join_first, pluralize
from reconciler.core.checks import NotChecked
from reconciler.core.directory import Directory
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.fields import WITH_ORGANIZATION, callers_gaining_access
from reconciler.core.grant import ObservedGrant
from reconciler.core.pattern import ManagedScope, Match
from reconciler.core.plan import Change, Create, Delete, Update

MAX_NAMED = 5


def notes_on_skipped_checks(not_checked: Iterable[NotChecked]) -> Iterator[str]:
    """Yield notes about skipped checks, one note for each reason."""
    causes: dict[str, list[NotChecked]] = {}
    for each in not_checked:
        causes.setdefault(each.why, []).append(each)
    for why, checks in causes.items():
        listed = "; ".join(f"{each.what} ({pluralize(each.grants, 'grant')})" for each in checks)
        yield f"not checked, because {why}: {listed}"


def notes_on_matches_by_name(
    changes: Iterable[Change], managed_scope: ManagedScope, directory: Directory
) -> Iterator[str]:
    """Yield a note for each pattern in `manage` that allows a change but does not contain the client id.

    A reviewer should check a change if a pattern in `manage` matches only the application's name, which anybody can
    choose.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        patterns = (each for each in managed_scope.patterns if each.matches(change.key, directory) is Match.YES)
        pattern = next(patterns, None)
        if pattern is not None and not pattern.has_exact_id(change.key):
            verb = "delete" if isinstance(change, Delete) else "create" if isinstance(change, Create) else "update"
            names.setdefault((verb, str(pattern)), []).append(directory.client_label(change.key))
    for (verb, pattern_text), labels in names.items():
        listed = join_first(sorted(labels), MAX_NAMED)
        yield f"{pluralize(len(labels), verb)} allowed by this item of `manage`: {pattern_text} ({listed})"


def notes_on_kept_values(grants: Iterable[ObservedGrant], directory: Directory) -> Iterator[str]:
    """Yield a note for each kind of value that a grant file cannot express and that an update therefore keeps."""
    counts = Counter(reason_not_expressible(each.grant) for each in grants)
    examples = {reason_not_expressible(each.grant): each.key for each in grants}
    for why, count in counts.items():
        key = examples[why]
        label = f"{directory.client_label(key)} -> {directory.api_label(key)}"
        more = f" and {pluralize(count - 1, 'other grant')}" if count > 1 else ""
        yield f"{label}{more}: {why}; a grant file cannot express this value, so reconciler keeps the value"


def notes_on_opened_grants(updates: Iterable[Update]) -> Iterator[str]:
    """Yield a note if an update gives access to organizations that the files do not declare."""
    opened = 0
    for update in updates:
        before, after = update.before.grant, update.after.grant
        lets_in = WITH_ORGANIZATION in callers_gaining_access(before.organization_usage, after.organization_usage)
        opened += lets_in and after.organizations is None
    if opened:
        yield (
            f"{pluralize(opened, 'grant')} will no longer deny organizations, so organizations that are already "
            "assigned gain access; to see the assigned organizations, add `organizations` to the grant file"
        )
