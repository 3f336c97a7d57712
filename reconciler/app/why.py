"""Explain one grant: the lines that declare it, their commits, and the runs that wrote it."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.app.access import AccessOptions, make_access_report
from reconciler.app.console import Console
from reconciler.app.load import data_folder
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.artifacts.journal import read_run, run_names
from reconciler.core.access import AccessFilter, AccessGrant
from reconciler.core.characters import quote_text
from reconciler.core.grant_history import DeclaredLine, GrantExplanation, find_writes
from reconciler.core.journal import PastRun
from reconciler.errors import ReconcilerError

MAX_RUNS = 1_000
"""The maximum number of journals that are read, the newest first."""
NAMES_ONLY = "journals contain ids, and the files contain names, so runs cannot be found without reading the tenant"
JOURNAL_NOTE = "only journals in this folder are known, and each run writes its journal where it runs"


def explain_grants(  # noqa: PLR0913 - what a user names
    options: GlobalOptions,
    application: str,
    api: str,
    request_options: RequestOptions,
    console: Console,
    *,
    offline: bool = False,
) -> list[GrantExplanation]:
    """Return an explanation for each grant of the application on the API.

    Raises:
        ReconcilerError: if neither the tenant nor the files have such a grant, or if they cannot be read.
    """
    chosen = AccessOptions(offline, AccessFilter(application=application, api=api))
    result = make_access_report(options.require_one_tenant(), chosen, request_options, console)
    runs, notes = _read_runs(data_folder(options.config))
    history = (f"git history: {result.report.history}",) if result.report.history else ()
    found = [
        GrantExplanation(
            tenant=tenant.tenant,
            grant=grant,
            lines=_lines(grant, result.texts),
            writes=find_writes(runs, tenant.tenant, grant),
            notes=(*tenant.notes, *history, *notes, *([NAMES_ONLY] if grant.audience is None else [])),
        )
        for tenant, grant in result.report.grants
    ]
    if not found:
        raise ReconcilerError(
            f"neither the tenant nor the files have a grant of {quote_text(application)} on {quote_text(api)}; "
            "reconciler access lists all grants"
        )
    return found


def _read_runs(folder: Path) -> tuple[list[PastRun], tuple[str, ...]]:
    """Return the newest runs, and notes. A journal that cannot be read becomes a note."""
    names = run_names(folder)
    runs: list[PastRun] = []
    notes = [JOURNAL_NOTE]
    if len(names) > MAX_RUNS:
        notes.append(f"only the newest {MAX_RUNS:,} of {len(names):,} journals were read")
    for name in names[:MAX_RUNS]:
        try:
            runs.append(read_run(folder, name))
        except ReconcilerError as error:
            notes.append(str(error))
    return runs, tuple(notes)


def _lines(grant: AccessGrant, texts: Mapping[str, str]) -> tuple[DeclaredLine, ...]:
    if grant.source is None:
        return ()
    content = texts.get(grant.source.file, "").splitlines()
    return tuple(
        DeclaredLine(number, content[number - 1] if number <= len(content) else "", commit)
        for number, commit in grant.provenance.lines
    )
