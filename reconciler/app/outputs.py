"""Check and write report files, and find the path of the report for each tenant.

The paths of all report files are checked before reconciler sends the first request to a tenant, so that a wrong path
does not lose the result.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.app import ci
from reconciler.app.load import data_folder, load_config, workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions
from reconciler.artifacts.atomic_files import OWNER_ONLY, check_new_folder, check_output, empty_output, write_output
from reconciler.config.tenants import DEFAULT_FILE
from reconciler.core.characters import quote_text
from reconciler.core.tenant import TenantKind
from reconciler.errors import ReconcilerError
from reconciler.files.discover import SUFFIXES, name_of
from reconciler.output.styled import DEFAULT_MAX_BYTES, add_run_number


def _keep(_: Path) -> None:
    """Keep the file until the run replaces it."""


class OutputFile(NamedTuple):
    """A file that a run will write.

    `option` is the command-line option or environment variable that messages mention. `clear` removes the result of an
    earlier run from the file.
    """

    option: str
    path: Path
    clear: Callable[[Path], object] = _keep


class InputFile(NamedTuple):
    """A file or folder that a run reads.

    `name` is the option, the argument or the kind of file that messages mention. If `path` is a folder, the run reads
    the files whose names end with one of `suffixes`.
    """

    name: str
    path: Path
    suffixes: tuple[str, ...] = SUFFIXES


def check_outputs(
    options: GlobalOptions, outputs: Iterable[OutputFile], *, inputs: Iterable[InputFile] = (), journal: bool = False
) -> None:
    """Check that a run can write its output files.

    If `journal` is true, also check that the run can write the journal and the snapshots.

    The output files are the files in `outputs`, and the files for the step summary and step outputs of GitHub Actions.
    The function removes the results of earlier runs from all output files that pass the check, also if another file is
    refused.

    Raises:
        ReconcilerError: if a file cannot be written, or if two options name the same file. Also raised if an output
            file is in the grant folder, or is one of `inputs`, the configuration, a file of a sandbox, or a file of an
            earlier run. Also raised if the path of a file contains a symbolic link that may be committed to the
            repository.
    """
    workspace = workspace_of(options.config)
    from_options, step_files = list(outputs), [OutputFile(variable, path) for variable, path in ci.step_files()]
    by_file = _by_file(from_options)
    known = _known_inputs(options, from_options, inputs)
    errors = []
    for output in (*from_options, *step_files):
        try:
            workspace.refuse_checkout_links(output.path, output.option)
            if output not in step_files:
                _refuse_duplicate(output, by_file)
                _refuse_input(output, options, known)
            _check(output)
            output.clear(output.path)  # if the current run fails, the result of an earlier run must not remain
        except ReconcilerError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    if journal:
        folder = data_folder(options.config)
        for name in ("journal", "snapshots"):
            workspace.refuse_checkout_links(folder / name, "the journal and snapshots")
        try:
            check_new_folder(folder / "journal")
        except OSError as error:
            raise ReconcilerError(
                f"the journal cannot be created in {error.filename}, so nothing was sent: {error.strerror}"
            ) from error


def _check(output: OutputFile) -> None:
    try:
        check_output(output.path)
    except OSError as error:
        raise ReconcilerError(
            f"{output.option}: {quote_text(name_of(output.path))} cannot be written: {error.strerror}; nothing was sent"
        ) from error


def _by_file(outputs: Iterable[OutputFile]) -> Mapping[object, Sequence[OutputFile]]:
    """Return the output files, grouped by file. Several outputs may use the same device, for example /dev/null."""
    found: dict[object, list[OutputFile]] = {}
    for output in outputs:
        file = _identity(output.path)
        if file is not None:
            found.setdefault(file, []).append(output)
    return found


def _refuse_duplicate(output: OutputFile, by_file: Mapping[object, Sequence[OutputFile]]) -> None:
    first, *others = by_file.get(_identity(output.path), [output])
    if others:
        raise ReconcilerError(
            f"{first.option} and {others[0].option} use the same file {quote_text(name_of(others[0].path))}; "
            "use one file per option"
        )


def refuse_inputs(options: GlobalOptions, output: OutputFile, inputs: Iterable[InputFile]) -> None:
    """Refuse an output file that the run also reads, because writing the file would destroy the input.

    Raises:
        ReconcilerError: if the output file is in the grant folder, or is one of `inputs`, the configuration, a file of
            a sandbox, or a file of an earlier run. Links and other spellings of a path are recognized.
    """
    _refuse_input(output, options, _known_inputs(options, [output], inputs))


class _KnownInputs(NamedTuple):
    """The inputs of a run: the name of each file by the identity of the file, and the folders."""

    names: Mapping[object, str]
    folders: Sequence[InputFile]

    def name_of(self, output: Path) -> str | None:
        """Return the name of the input that is the file `output`, or None."""
        if name := self.names.get(_identity(output)):
            return name
        return next((each.name for each in self.folders if _reads(each, output)), None)


def _refuse_input(output: OutputFile, options: GlobalOptions, known: _KnownInputs) -> None:
    grants, name = Path(options.grants), quote_text(name_of(output.path))
    if _is_inside(output.path, grants):
        raise ReconcilerError(
            f"{output.option}: {name} is in the grant folder {quote_text(name_of(grants))}; use another folder"
        )
    if source := known.name_of(output.path):
        if source.startswith("a "):
            raise ReconcilerError(f"{output.option}: {name} is {source}; use another file")
        raise ReconcilerError(
            f"{source} and {output.option} use the same file {name}; use another file for {output.option}"
        )


def plan_inputs(plan_options: PlanOptions, names: Sequence[str]) -> list[InputFile]:
    """Return the files in the options of a plan: the PATHs or saved plans, and the policy.

    `names` contains the names of the tenants, because each tenant may have its own saved plan.
    """
    paths = [InputFile("PATH", path) for text in plan_options.paths for path, _ in files_for(text, names)]
    return [*paths, *([InputFile("--policy", Path(plan_options.policy))] if plan_options.policy else [])]


def _known_inputs(options: GlobalOptions, outputs: Iterable[OutputFile], inputs: Iterable[InputFile]) -> _KnownInputs:
    """Return `inputs`, and the files and folders that most commands read."""
    found = [*inputs, InputFile("the configuration", Path(options.config or DEFAULT_FILE))]
    found.append(InputFile("a grant file", Path(options.grants)))
    for folder in ("journal", "snapshots"):
        path = data_folder(options.config) / folder
        found.append(InputFile(f"a file of earlier runs ({folder})", path, suffixes=("",)))
    if any(output.path.is_file() for output in outputs):  # a new file cannot destroy a file of a sandbox
        found += _sandbox_files(options)
    folders = [each for each in found if each.path.is_dir()]
    names = {file: each.name for each in found if (file := _identity(each.path)) is not None}
    return _KnownInputs(names, folders)


def _sandbox_files(options: GlobalOptions) -> Iterator[InputFile]:
    """Yield the seed and the database of each configured sandbox, or nothing if the configuration is invalid."""
    try:
        tenants = load_config(options.config).tenants.values()
    except ReconcilerError:
        return
    for tenant in tenants:
        if tenant.kind is TenantKind.SANDBOX:
            yield InputFile(f"the database of {quote_text(tenant.name)}", tenant.database)
            if tenant.seed:
                yield InputFile(f"the seed of {quote_text(tenant.name)}", tenant.seed)


def _reads(source: InputFile, output: Path) -> bool:
    """Return whether `output` is a file that the run reads in the folder `source`."""
    has_suffix = os.path.realpath(output).lower().endswith(source.suffixes)
    return (has_suffix and _is_inside(output, source.path)) or _is_hard_link_in(output, source)


def _is_inside(file: Path, folder: Path) -> bool:
    """Return whether `file` is `folder` or in `folder`, also through links or another spelling of the folder."""
    real = Path(os.path.realpath(file))
    if real.is_relative_to(os.path.realpath(folder)):
        return True
    try:
        status = folder.stat()
        return any(os.path.samestat(each.stat(), status) for each in (real, *real.parents) if each.exists())
    except OSError:
        return False


def _is_hard_link_in(file: Path, source: InputFile) -> bool:
    """Return whether a file that the run reads in the folder `source` is a hard link to `file`."""
    if not file.is_file() or file.stat().st_nlink == 1:
        return False
    return any(
        name.lower().endswith(source.suffixes) and _identity(Path(folder, name)) == _identity(file)
        for folder, _, names in os.walk(source.path)
        for name in names
    )


def _identity(path: Path) -> object | None:
    """Return a value that is equal for all paths of a file, or None for a folder, a device or a pipe."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


TENANT = "{tenant}"
"""The placeholder for the tenant's name in a path, so that each tenant has its own file."""


class ReportFile(NamedTuple):
    """The format and the path in one value of the option --report."""

    format: str
    path: str


class OutputOptions(NamedTuple):
    """The format of stdout, the report files, and the maximum size of a Markdown report in bytes.

    If `summary` is true, text output shows only the number of changes, and every critical, blocked or failed change.
    """

    stdout_format: str = "text"
    reports: tuple[ReportFile, ...] = ()
    max_bytes: int = DEFAULT_MAX_BYTES
    summary: bool = False

    @property
    def per_tenant(self) -> "OutputOptions":
        """A copy of the options without the report files that describe several tenants."""
        return self._replace(reports=tuple(file for file in self.reports if TENANT in file.path))

    @property
    def joint(self) -> "OutputOptions":
        """A copy of the options without the report files that describe only one tenant."""
        return self._replace(reports=tuple(file for file in self.reports if TENANT not in file.path))

    def outputs(self, names: Sequence[str]) -> list[OutputFile]:
        """Return the report files for the tenants in `names`.

        Raises ReconcilerError if a name cannot be part of a file name.
        """
        return [
            OutputFile(f"--report {file.format}", path, clear=empty_output)
            for file in self.reports
            for path, _ in files_for(file.path, names)
        ]

    def write(self, names: Sequence[str], render: Callable[[str, Sequence[str]], str]) -> None:
        """Write all report files. The call `render(format, names)` returns the report about the tenants in `names`.

        Raises:
            ReconcilerError: if a file cannot be written. If a file cannot be written, the remaining files are still
                written.
        """
        errors = []
        for file in self.reports:
            for path, tenants in files_for(file.path, names):
                try:
                    text = render(file.format, tenants)
                    write_text(path, add_run_number(text, ci.run_number()) if file.format == "markdown" else text)
                except ReconcilerError as error:
                    errors.append(str(error))
        if errors:
            raise ReconcilerError("; ".join(errors))


def files_for(path: str, names: Sequence[str]) -> list[tuple[Path, Sequence[str]]]:
    """Return the paths of the report files for the option value `path`, and the names of the tenants in each file.

    If `path` contains {tenant}, each tenant has its own report file.

    Raises:
        ReconcilerError: if a tenant's name cannot be part of a file name.
    """
    if TENANT not in path:
        return [(Path(path), names)]
    invalid = [name for name in names if name in {".", ".."} or "/" in name or "\\" in name or "\0" in name]
    if invalid:
        raise ReconcilerError(f"the tenant name {quote_text(invalid[0])} cannot be part of a file name: {path}")
    return [(Path(path.replace(TENANT, name)), [name]) for name in names]


def write_text(path: Path, text: str) -> None:
    """Write a report that only the owner of the file can read. Raises ReconcilerError if the file cannot be written."""
    try:
        write_output(path, text.encode(errors="backslashreplace"), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the report {path} cannot be written: {error.strerror}") from error
