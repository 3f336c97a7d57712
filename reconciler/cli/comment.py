"""`reconciler comment`: post reports as comments or issues."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.cli.options import also_global_options, options
from reconciler.core.quoting import visible
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.forge import github, gitlab
from reconciler.forge.http import TransientForgeError
from reconciler.forge.job import GitHubJob, GitLabJob, Job, job_of
from reconciler.forge.publish import close, publish
from reconciler.forge.report import (
    CommentTarget,
    ForgeReport,
    IssueTarget,
    parse_report,
    refuse_equal_markers,
    stale_markers,
    tenant_of,
    truncated_report,
)
from reconciler.git.repository import find_root, open_repository
from reconciler.git.revision import tracked_entries
from reconciler.http.proxy import proxy_notes
from reconciler.http.retry import RetryPolicy, retry_blocking
from reconciler.output.escape import marker, span
from reconciler.output.styled import line

MOST_BYTES = 20_000_000
"""The size limit of a report. No service accepts a comment of this size."""
MOST_PROBLEMS, MOST_CHARACTERS = 5, 300
"""The limits for problems in a comment without a report."""
NEVER_FOLLOW, NEVER_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


@also_global_options
@click.command("comment")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--issue", metavar="TITLE", help="Open or update an issue with this title instead.")
@click.option("--close", "closes", is_flag=True, help="Close that issue instead, if it exists.")
@click.option(
    "--attempts",
    type=click.IntRange(1, 10),
    default=4,
    show_default=True,
    metavar="N",
    help="Maximum attempts.",
)
def command(*, files: tuple[Path, ...], issue: str | None, closes: bool, attempts: int) -> Exit:
    """Post Markdown reports as comments on the pull or merge request of this job.

    For jobs of GitHub Actions and GitLab CI. FILE comes from --report markdown=FILE. Each tenant has one comment, which
    is updated. Only comments of the holder of GITHUB_TOKEN or GITLAB_TOKEN are changed.

    FILE must come from this run. If it is missing or invalid, the comment of --tenant says so, and the exit code is 1.
    Without --tenant, each of our comments that no FILE replaces says so.
    """
    if issue is not None and closes:
        raise click.UsageError("--issue and --close cannot be combined: use one of them")
    console = Console(options())
    policy = RetryPolicy(attempts)
    job = job_of(os.environ)
    for text in proxy_notes(job.address):
        console.note(text)
    reports, problems = _read_all(files, job.run)
    refuse_equal_markers(reports)
    with _places(job, issue or "") as (comments, issues):
        target: CommentTarget = issues if closes or issue is not None else comments
        work = partial(close, issues) if closes else partial(publish, target)
        for report in [truncated_report(each, target.max_characters) for each in reports]:
            result = retry_blocking(partial(work, report), policy, (TransientForgeError,))
            console.result([line(f"{visible(report.file)}: {result}")])
        if problems:
            known = [report.marker for report in reports]
            markers = retry_blocking(
                partial(_without_report, target, known, adds=not closes), policy, (TransientForgeError,)
            )
            for report in (_stand_in(each, problems) for each in markers):
                result = retry_blocking(partial(publish, target, report), policy, (TransientForgeError,))
                console.result([line(f"{visible(report.file)}: {result}, without a report")])
    for problem in problems:
        console.error(problem)
    return Exit.FAILED if problems else Exit.DONE


def _read_all(files: Iterable[Path], run: str) -> tuple[list[ForgeReport], list[str]]:
    """Return the reports of this run, and the problems of the other files."""
    reports, problems = [], []
    for file in files:
        try:
            reports.append(_read(file, run))
        except ReconcilerError as error:
            problems.append(str(error))
    return reports, problems


def _without_report(target: CommentTarget, known: Sequence[str], *, adds: bool) -> list[str]:
    """Return the markers of entries whose report is missing. With `adds`, include new entries.

    With --tenant, these are the entries of these tenants, otherwise all of ours that no report replaces. So no entry
    keeps the result of an earlier run.
    """
    links = ci.source_links(options().config)
    named = [each for name in options().tenants if (each := marker(name, links)) not in known]
    if named and adds:
        return list(dict.fromkeys(named))
    stale = stale_markers(target.entries(), marker("", links), known)
    return [each for each in stale if not named or each in named]


def _stand_in(marked: str, problems: Sequence[str]) -> ForgeReport:
    """Return a report that says that the report is missing, and why."""
    name = tenant_of(marked)
    shown = [f"- {span(problem[:MOST_CHARACTERS])}" for problem in problems[:MOST_PROBLEMS]]
    lines = [
        marked,
        f"### {span(name)}: no report",
        "",
        "The job did not leave a valid report. Read its log.",
        "",
        *shown,
    ]
    return ForgeReport(f"tenant {name}", marked, "\n".join([*lines, ""]))


@contextmanager
def _places(job: Job, title: str) -> Iterator[tuple[CommentTarget, IssueTarget]]:
    """Open the comments of the job's request, and the issues with that title."""
    match job:
        case GitHubJob():
            with github.open_github(job) as api:
                yield github.PullRequestComments(api, job), github.GitHubIssues(api, job, title)
        case GitLabJob():
            with gitlab.open_gitlab(job) as api:
                yield gitlab.MergeRequestNotes(api, job), gitlab.GitLabIssues(api, job, title)


def _read(file: Path, run: str) -> ForgeReport:
    """Return the report in a file that this run wrote.

    Raises:
        ReconcilerError: if git tracks the file, or it is not a plain file with a report of this run.
    """
    try:
        with open(file, "rb", opener=_open) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ReconcilerError(f"the report {visible(str(file))} is not a file")
            _refuse_tracked(file)
            text = stream.read(MOST_BYTES).decode()
        return parse_report(str(file), text, run)
    except (OSError, ValueError) as error:
        raise ReconcilerError(f"the report {visible(str(file))} cannot be read: {reason(error)}") from error


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | NEVER_FOLLOW | NEVER_WAIT)


def _refuse_tracked(file: Path) -> None:
    """Raise ReconcilerError for a file that git tracks. Otherwise its author could post through our comment."""
    real = Path(os.path.realpath(file.parent), file.name)
    root = find_root(real.parent)
    if root is None:
        return
    repository = open_repository(root)
    if any(tracked_entries(repository, [repository.path_of(real)])):
        raise ReconcilerError(f"git tracks the report {visible(str(file))}, so this run did not write it")
