"""`reconciler comment`: post reports as comments or issues."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import workspace_of
from reconciler.cli.options import WholeNumber, current_options, global_options
from reconciler.core.characters import visible
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.forge.http import TransientForgeError
from reconciler.forge.job import Job, NamedTarget, job_of
from reconciler.forge.report import (
    TRUNCATION_NOTE,
    CommentTarget,
    ForgeReport,
    close,
    parse_report,
    publish,
    refuse_equal_markers,
    stale_markers,
    tenant_of,
    truncated_report,
)
from reconciler.forge.services import FORGES, merged_request, open_comments, open_issues
from reconciler.git.repository import find_root, open_repository
from reconciler.git.revision import resolve_revision, tracked_entries
from reconciler.http.proxy import proxy_notes
from reconciler.http.retry import RetryPolicy, retry_blocking
from reconciler.output.escape import marker, span
from reconciler.output.markdown.document import without_alerts, without_html
from reconciler.output.markdown.plan import TITLE
from reconciler.output.styled import MARKER_PREFIX, RESULT_PREFIX, line

MAX_BYTES = 20_000_000
"""The maximum size of a report in bytes. Hosting services refuse comments of MAX_BYTES bytes or more."""
MAX_PROBLEMS, MAX_CHARACTERS = 5, 300
"""The maximum number of problems in a comment about a missing report, and the maximum characters per problem."""
DIALECTS: Mapping[str, Callable[[str], str]] = {"azure": without_alerts, "bitbucket": without_html}
"""The functions that convert a report to the Markdown of services that do not render GitHub's Markdown."""
NO_FOLLOW, NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


@global_options("config", "tenants")
@click.command("comment")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--issue", metavar="TITLE", help="Instead of a comment, open or update an issue with this title.")
@click.option(
    "--close",
    "closes",
    is_flag=True,
    help="Close the issue of the report instead of posting the report. Do nothing if the issue does not exist.",
)
@click.option(
    "--merged",
    is_flag=True,
    help="Post on the pull or merge request whose merge created the commit HEAD. If no merge created HEAD, do nothing.",
)
@click.option(
    "--forge", type=click.Choice(list(FORGES)), help="Hosting service. Required if the job runs on another CI service."
)
@click.option(
    "--repository", metavar="PATH", help="Path of the repository on the hosting service (--forge), such as owner/name."
)
@click.option(
    "--number",
    type=WholeNumber(1),
    metavar="N",
    help="Number of the pull or merge request on the hosting service (--forge).",
)
@click.option(
    "--api",
    metavar="URL",
    help="API URL of a self-hosted service: https://HOST/api/graphql (GitHub), https://HOST/api/v4 (GitLab), or the "
    "URL of the organization or collection (Azure DevOps).",
)
@click.option(
    "--attempts",
    type=WholeNumber(1, 10),
    default=4,
    show_default=True,
    metavar="N",
    help="Maximum attempts per request.",
)
def command(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    files: tuple[Path, ...],
    issue: str | None,
    closes: bool,
    merged: bool,
    forge: str | None,
    repository: str | None,
    number: int | None,
    api: str | None,
    attempts: int,
) -> Exit:
    """Post Markdown reports as comments on the pull or merge request of this job.

    FILE is a report that the same CI run wrote with --report markdown=FILE. The command works in jobs of GitHub
    Actions, GitLab CI, Azure Pipelines and Bitbucket Pipelines. In jobs of other services, name the pull or merge
    request with --forge, --repository and --number. Each tenant has one comment for the plan and one comment for the
    result of apply. Later runs update the comments of earlier runs. Only comments by the owner of the token are
    changed. The token comes from GITHUB_TOKEN, GITLAB_TOKEN, AZURE_DEVOPS_TOKEN or BITBUCKET_TOKEN.

    If a FILE is missing or invalid, the exit code is 1. For each tenant in --tenant without a valid FILE, the command
    posts a comment with the reason. Without --tenant, the command writes the reason into the existing comment of each
    tenant without a valid FILE.
    """
    if (issue is not None) + closes + merged > 1:
        raise click.UsageError("--issue, --close and --merged cannot be combined: use one of them")
    console = Console(current_options())
    policy = RetryPolicy(attempts)
    own_job = _job(_named_target(forge, repository, number, merged=merged), api, console)
    job = _merged(own_job, policy, console) if merged else own_job
    if job is None:
        return Exit.DONE
    reports, problems = _read_all(files, job.run)
    if issue is not None:
        reports = [_with_drift_advice(each) for each in reports]
    refuse_equal_markers(reports)
    convert = DIALECTS.get(job.service, str)
    with ExitStack() as stack:
        target: CommentTarget
        if closes or issue is not None:
            issues = stack.enter_context(open_issues(job, issue or ""))
            target, send = issues, partial(close, issues) if closes else partial(publish, issues)
        else:
            target = stack.enter_context(open_comments(job))
            send = partial(publish, target)
        reports = [replace(each, body=convert(each.body)) for each in reports]
        for report in [truncated_report(each, target.max_characters, convert(TRUNCATION_NOTE)) for each in reports]:
            result = retry_blocking(partial(send, report), policy, (TransientForgeError,))
            console.result([line(f"{visible(report.file)}: {result}")])
        if problems:
            known = [report.marker for report in reports]
            prefix = RESULT_PREFIX if merged else MARKER_PREFIX
            find = partial(_markers_without_report, target, known, prefix, includes_new=not closes)
            markers = retry_blocking(find, policy, (TransientForgeError,))
            for report in (_missing_report(each, problems) for each in markers):
                result = retry_blocking(partial(publish, target, report), policy, (TransientForgeError,))
                console.result([line(f"{visible(report.file)}: {result}, without a report")])
    for problem in problems:
        console.error(problem)
    return Exit.FAILED if problems else Exit.DONE


def _job(target: NamedTarget | None, api: str | None, console: Console) -> Job:
    """Return the CI job that runs this command, or the job that --forge, --repository and --number describe.

    If `api` is set, the job sends its requests to the API of the hosting service at the URL `api`.
    """
    job = job_of(os.environ, target)
    if api is not None:
        job = replace(job, address=api)
    for text in proxy_notes(job.address):
        console.note(text)
    return job


def _merged(job: Job, policy: RetryPolicy, console: Console) -> Job | None:
    """Return a copy of `job` for the pull or merge request that created the commit HEAD.

    If no pull or merge request created HEAD, print a note and return None.
    """
    commit = resolve_revision(workspace_of(current_options().config).repository(), "HEAD").commit
    found = retry_blocking(partial(merged_request, job, commit), policy, (TransientForgeError,))
    if found is None:
        console.note(f"nothing was posted: no merged pull or merge request created the commit {commit}")
    return found


def _named_target(forge: str | None, repository: str | None, number: int | None, *, merged: bool) -> NamedTarget | None:
    """Return the pull or merge request that --forge, --repository and --number identify.

    If --forge is not given, return None.
    """
    if forge is None:
        if repository is not None or number is not None:
            raise click.UsageError("--repository and --number have no effect without --forge; add --forge")
        return None
    if repository is None or (number is None) is not merged:
        raise click.UsageError("--forge needs --repository, and either --number or --merged")
    return NamedTarget(forge=forge, repository=repository, number=number, run=ci.run_number())


def _read_all(files: Iterable[Path], run: str) -> tuple[list[ForgeReport], list[str]]:
    """Return the reports that the run `run` wrote, and an error message for each file without a valid report."""
    reports, problems = [], []
    for file in files:
        try:
            reports.append(_read(file, run))
        except ReconcilerError as error:
            problems.append(str(error))
    return reports, problems


def _with_drift_advice(report: ForgeReport) -> ForgeReport:
    """Append instructions to a report that is posted as an issue.

    The instructions explain how to undo or keep the drift.
    """
    advice = (
        f"If {span(tenant_of(report.marker))} has drifted, undo the drift by applying the main branch with "
        "`reconciler apply`. To keep the drift, change the files with `reconciler import --update`, and "
        "merge the change.\n"
    )
    return replace(report, body=f"{report.body.rstrip()}\n\n{advice}")


def _markers_without_report(
    target: CommentTarget, known: Sequence[str], prefix: str, *, includes_new: bool
) -> list[str]:
    """Return the ids of comments or issues about tenants for which this run has no valid report.

    The command updates the comments and issues with the returned ids, so that no comment or issue keeps showing the
    result of an earlier run.

    With --tenant, return only the ids of comments or issues for the tenants in --tenant. Without --tenant, return the
    ids of all existing comments or issues about tenants for which this run has no valid report. `prefix` is the common
    prefix of the ids of one kind of comment or issue. If `includes_new` is true, also return the ids of tenants in
    --tenant that have no comment or issue yet.
    """
    links = ci.source_links(current_options().config)
    named = [each for name in current_options().tenants if (each := marker(name, links, prefix)) not in known]
    if named and includes_new:
        return list(dict.fromkeys(named))
    stale = stale_markers(target.entries(), marker("", links, prefix), known)
    return [each for each in stale if not named or each in named]


def _missing_report(tenant_marker: str, problems: Sequence[str]) -> ForgeReport:
    """Return a report with the text that the tenant's report is missing or invalid, and with the list `problems`."""
    name = tenant_of(tenant_marker)
    problem_lines = [f"- {span(problem[:MAX_CHARACTERS])}" for problem in problems[:MAX_PROBLEMS]]
    lines = [
        tenant_marker,
        f"### {TITLE}{span(name)}: no report",
        "",
        "The job did not leave a valid report. Read the log of the job.",
        "",
        *problem_lines,
    ]
    return ForgeReport(f"tenant {name}", tenant_marker, "\n".join([*lines, ""]))


def _read(file: Path, run: str) -> ForgeReport:
    """Return the report in `file`. Accept the report only if the CI run `run` wrote the report.

    Raises:
        ReconcilerError: if git tracks the file, if the file is not a regular file, or if the CI run `run` did not write
            the report.
    """
    try:
        with open(file, "rb", opener=_open) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ReconcilerError(f"the report {visible(str(file))} is not a file")
            _refuse_tracked(file)
            text = stream.read(MAX_BYTES).decode()
        return parse_report(str(file), text, run)
    except (OSError, ValueError) as error:
        raise ReconcilerError(f"the report {visible(str(file))} cannot be read: {reason(error)}") from error


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | NO_FOLLOW | NO_WAIT)


def _refuse_tracked(file: Path) -> None:
    """Raise ReconcilerError if git tracks `file`, because the author of a commit could choose the file content."""
    real_path = Path(os.path.realpath(file.parent), file.name)
    root = find_root(real_path.parent)
    if root is None:
        return
    repository = open_repository(root)
    if any(tracked_entries(repository, [repository.path_of(real_path)])):
        raise ReconcilerError(
            f"git tracks the report {visible(str(file))}, so this run did not write it; use another file"
        )
