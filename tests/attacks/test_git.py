"""A pull request or an earlier step of a job must not make git run programs, leak credentials, or read other files."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from support.commands import GRANTS, CommandResult, a_workspace, reconciler
from support.repository import commit_all, git

from reconciler.git import repository

SECRET = "canary-that-no-program-may-see"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")
OTHER_USER = 12345
GITLAB = Path(__file__).parent.parent.parent / "examples" / "gitlab" / ".gitlab-ci.yml"
WIDER = GRANTS.replace("      - write:invoices\n", "      - write:invoices\n      - void:invoices\n")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit on `main` and an uncommitted change, and credentials in the environment."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    a_workspace(folder, monkeypatch)
    commit_all(folder)
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", SECRET)
    (folder / "grants" / "billing.yaml").write_text(WIDER)
    return folder


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that `payload` writes."""
    return tmp_path / "marker"


@pytest.fixture
def payload(tmp_path: Path, marker: Path) -> str:
    """A program that writes its environment to the marker file and fails."""
    program = tmp_path / "payload"
    program.write_text(f"#!/bin/sh\n/usr/bin/env >>{marker}\nexit 1\n")
    program.chmod(0o755)
    return str(program)


def plan(*more: str, base: str = "main") -> CommandResult:
    return reconciler("plan", "--base", base, *more)


def assert_plans(result: CommandResult) -> None:
    assert (result.code, result.stderr) == (0, "")
    assert "1 from this branch" in result.stdout or "Origin: 0 from this branch" in result.stdout


def section(name: str, **settings: str) -> str:
    return f"[{name}]\n" + "".join(f'\t{key} = "{value}"\n' for key, value in settings.items())


def partial_clone(url: str, **more: str) -> str:
    """Return the settings of a partial clone, in which git fetches each missing object from `url`."""
    remote = section('remote "evil"', url=url, promisor="true", partialclonefilter="blob:none", **more)
    return section("core", repositoryformatversion="1") + section("extensions", partialClone="evil") + remote


def fetch_configurations(payload: str) -> Mapping[str, str]:
    """Return configurations in which a fetch runs the payload."""
    return {
        "ssh": partial_clone("ssh://evil/x") + section("core", sshCommand=payload),
        "upload-pack": partial_clone("file:///evil", uploadpack=payload),
        "proxy": partial_clone("git://evil/x") + section("core", gitProxy=payload),
        "ext": partial_clone(f"ext::{payload}") + section('protocol "ext"', allow="always"),
        "instead-of": partial_clone("evil:x")
        + section(f'url "ext::{payload} "', insteadOf="evil:")
        + section("protocol", allow="always"),
    }


FETCHES = list(fetch_configurations(""))


@pytest.mark.parametrize("transport", FETCHES)
def test_a_grant_folder_that_looks_like_a_repository_is_not_used_as_one(
    here: Path, marker: Path, payload: str, transport: str
) -> None:
    commit = git(here, "rev-parse", "HEAD")
    bare = here / "grants"
    (bare / "HEAD").write_text("ref: refs/heads/main\n")
    (bare / "config").write_text(section("core", bare="true") + fetch_configurations(payload)[transport])
    for name, text in {"objects/info/x": "", "refs/heads/main": commit}.items():
        (bare / name).parent.mkdir(parents=True)
        (bare / name).write_text(f"{text}\n")

    result = plan()

    assert not marker.exists()
    assert_plans(result)


@pytest.fixture(params=["git", "old git"])
def old_and_new_git(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also run the test with an older git, which does not know GIT_NO_LAZY_FETCH."""
    if request.param == "old git":
        without = {name: value for name, value in repository.ENVIRONMENT.items() if name != "GIT_NO_LAZY_FETCH"}
        monkeypatch.setattr(repository, "ENVIRONMENT", without)


@pytest.mark.usefixtures("old_and_new_git")
@pytest.mark.parametrize("transport", FETCHES)
def test_a_missing_object_is_not_fetched(here: Path, marker: Path, payload: str, transport: str) -> None:
    (here / ".git" / "config").write_text(fetch_configurations(payload)[transport])
    delete_objects(here, "main:grants/billing.yaml")

    result = plan()

    assert not marker.exists()
    assert result.code == 1
    assert "fetch the revision first" in result.stderr


def delete_objects(folder: Path, *names: str) -> None:
    for name in names:
        identity = git(folder, "rev-parse", name)
        (folder / ".git" / "objects" / identity[:2] / identity[2:]).unlink()


def settings(payload: str) -> Mapping[str, str]:
    """Return settings that make some git command run the payload."""
    return {
        "fsmonitor": section("core", fsmonitor=payload),
        "pager": section("core", pager=payload) + section("pager", **{"rev-parse": payload, "ls-tree": payload}),
        "alias": section("alias", **{"ls-tree": f"!{payload}", "cat-file": f"!{payload}", "rev-parse": f"!{payload}"}),
        "hooks": section("core", hooksPath=str(Path(payload).parent / "hooks")),
        "filter": section('filter "evil"', clean=payload, smudge=payload, process=payload, required="true"),
        "diff": section("diff", external=payload) + section('diff "evil"', textconv=payload, command=payload),
        "alternates": section("core", alternateRefsCommand=payload),
        "editor": section("core", editor=payload, askPass=payload) + section("credential", helper=f"!{payload}"),
        "gpg": section("gpg", program=payload) + section("log", showSignature="true"),
        "include": section("include", path=str(Path(payload).parent / "included")),
    }


@pytest.mark.parametrize("setting", list(settings("")))
def test_settings_of_the_repository_run_no_program(here: Path, marker: Path, payload: str, setting: str) -> None:
    hooks = Path(payload).parent / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        shutil.copy(payload, hooks / name)
    Path(payload).parent.joinpath("included").write_text(section("core", fsmonitor=payload, sshCommand=payload))
    (here / ".gitattributes").write_text("* diff=evil\n/other filter=evil\n")
    with (here / ".git" / "config").open("a") as config:
        config.write(settings(payload)[setting])

    for result in (plan(), reconciler("validate")):
        assert result.code == 0, result.stderr
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["GIT_SSH_COMMAND", "GIT_SSH", "GIT_PAGER", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "GIT_PROXY_COMMAND"]
)
def test_environment_variables_run_no_program(
    here: Path, marker: Path, payload: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, payload)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ssh:git:ext")
    (here / ".git" / "config").write_text(partial_clone("ssh://evil/x"))
    delete_objects(here, "main:grants/billing.yaml")

    assert plan().code == 1
    assert not marker.exists()


def test_a_git_program_in_the_checkout_is_not_run(
    here: Path, marker: Path, payload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "bin").mkdir()
    shutil.copy(payload, here / "bin" / "git")
    (here.parent / "link").symlink_to(here / "bin")
    monkeypatch.setenv("PATH", f"bin:{here / 'bin'}:{here.parent / 'link'}::{os.environ['PATH']}")

    assert_plans(plan())
    assert not marker.exists()


def test_git_gets_no_credentials(here: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here.parent / "wrapper"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\n/usr/bin/env >>{marker}\nexec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SOME_OTHER_VARIABLE", SECRET)
    write_attributes(here, "*.png filter=lfs")

    assert_plans(plan())
    assert reconciler("validate").code == 0
    assert "GIT_TERMINAL_PROMPT=0" in marker.read_text()
    assert SECRET not in marker.read_text()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cat /dev/zero", "wrote more than"),
        ("yes >&2", "y; y; y"),
        ("sleep 60 & sleep 60", "took longer than"),
    ],
    ids=["endless", "endless complaint", "hangs"],
)
def test_git_is_stopped_if_it_does_not_end(
    here: Path, script: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = here.parent / "wrapper"
    folder.mkdir()
    real = shutil.which("git")
    (folder / "git").write_text(f'#!/bin/sh\ncase "$*" in *ls-tree*) {script} ;; *) exec {real} "$@" ;; esac\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(repository, "TIMEOUT_SECONDS", 2.0)

    result = plan()

    assert result.code == 1
    assert message in result.stderr
    assert len(result.stderr) < 1000


def test_replaced_objects_and_grafts_are_ignored(here: Path) -> None:
    expected = plan(base="main").stdout
    (here / "grants" / "billing.yaml").write_text("grants: []\n")
    evil = commit_all(here)
    git(here, "reset", "--quiet", "--soft", "HEAD^")
    (here / "grants" / "billing.yaml").write_text(WIDER)
    git(here, "replace", "main", evil)
    with (here / ".git" / "info" / "grafts").open("w") as grafts:
        grafts.write(f"{git(here, '--no-replace-objects', 'rev-parse', 'main')}\n")

    assert plan(base="main").stdout == expected


@pytest.mark.parametrize("by", ["file", "variable"])
def test_objects_of_another_repository_are_ignored(here: Path, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = here.parent / "other"
    shutil.copytree(here / ".git", other)
    delete_objects(here, "main:grants/billing.yaml")
    if by == "file":
        (here / ".git" / "objects" / "info" / "alternates").write_text(f"# ours\n{other / 'objects'}\n")
    else:
        monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(other / "objects"))

    result = plan()

    assert result.code == 1
    assert ("uses objects of another repository" if by == "file" else "fetch the revision first") in result.stderr


@pytest.mark.parametrize("lost", ["main:grants/billing.yaml", "main:grants", "main^{tree}", "main"])
def test_a_missing_object_in_a_partial_clone_is_an_error(here: Path, lost: str) -> None:
    commit = git(here, "rev-parse", "main")
    delete_objects(here, lost)

    result = plan(base=commit)

    assert result.code == 1
    assert "fetch the revision first" in result.stderr


@AS_ROOT
@pytest.mark.parametrize("where", [".git", "."])
def test_a_repository_of_another_user_must_be_a_safe_directory(
    here: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(here / where, OTHER_USER, OTHER_USER)
    (here.parent / "settings").write_text(section("safe", directory=str(here)))

    result = plan()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(here.parent / "settings"))

    assert_plans(plan())
    assert result.code == 1
    advice = f"git config --global --add safe.directory {here}"
    assert f"because another user owns it; if you trust the repository: {advice}" in result.stderr


def test_only_safe_directory_is_used_from_the_users_settings(
    here: Path, marker: Path, payload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.parent / "settings").write_text(section("core", fsmonitor=payload, sshCommand=payload, pager=payload))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(here.parent / "settings"))
    write_attributes(here, "*.png filter=lfs")

    assert_plans(plan())
    assert reconciler("validate").code == 0
    assert not marker.exists()


# --- ambiguous revisions ---


def tag_same_grants(here: Path, name: str, ref: str = "tags") -> str:
    """Give a name to a commit that declares the same grants as the branch, so that a plan against it has no changes."""
    commit = git(here, "stash", "create")
    git(here, "update-ref", f"refs/{ref}/{name}", commit)
    return commit


def test_a_tag_with_the_name_of_the_base_branch_is_ambiguous(here: Path) -> None:
    tag_same_grants(here, "main")

    result = plan(base="main")

    assert result.code == 1
    assert result.stderr == (
        'error: the revision "main" is ambiguous: "main" can mean refs/tags/main or refs/heads/main; '
        "write the full name, like refs/heads/main\n"
    )


@pytest.mark.parametrize("base", ["main~0", "main^{commit}", "main@{0}", "heads/main"])
def test_other_spellings_of_an_ambiguous_base_are_refused(here: Path, base: str) -> None:
    tag_same_grants(here, "main")
    tag_same_grants(here, "heads/main")

    result = plan(base=base)

    assert result.code == 1
    assert "refs/heads/main" in result.stderr
    assert "ambiguous" in result.stderr


def test_the_full_name_selects_the_branch_despite_tags(here: Path) -> None:
    expected = plan(base="main").stdout
    tag_same_grants(here, "main")
    tag_same_grants(here, "refs/heads/main")

    result = plan(base="refs/heads/main")

    assert result.code == 0
    assert result.stdout == expected
    assert "is ambiguous" in result.stderr  # reconciler shows the warning of git


@pytest.mark.parametrize("base", ["refs/heads/next", "FETCH_HEAD"])
def test_a_tag_does_not_replace_a_branch_that_is_not_fetched(here: Path, base: str) -> None:
    tag_same_grants(here, base)

    result = plan(base=base)

    assert result.code == 1
    assert f"refs/tags/{base}" in result.stderr


def test_a_tag_named_head_does_not_replace_head(here: Path) -> None:
    expected = plan(base="HEAD").stdout
    tag_same_grants(here, "HEAD")

    result = plan(base="HEAD")

    assert (result.code, result.stdout) == (0, expected)
    assert "is ambiguous" in result.stderr


def test_a_tag_does_not_replace_the_branch_of_a_remote(here: Path) -> None:
    git(here, "update-ref", "refs/remotes/origin/next", "main")
    tag_same_grants(here, "next")

    result = plan(base="next")

    assert result.code == 1
    assert "refs/tags/next or refs/remotes/origin/next" in result.stderr
    assert plan(base="refs/remotes/origin/next").code == 0


def test_a_tag_does_not_replace_the_short_name_of_a_remote_branch(here: Path) -> None:
    git(here, "update-ref", "refs/remotes/origin/next", "main")
    assert_plans(plan(base="origin/next"))
    tag_same_grants(here, "origin/next")

    result = plan(base="origin/next")

    assert result.code == 1
    assert "refs/tags/origin/next or refs/remotes/origin/next" in result.stderr


def test_a_tag_does_not_replace_the_short_id_of_a_commit(here: Path) -> None:
    commit = git(here, "rev-parse", "main")
    tag_same_grants(here, commit[:8])
    tag_same_grants(here, commit)

    result = plan(base=commit[:8])

    assert result.code == 1
    assert f"refs/tags/{commit[:8]} or {commit}" in result.stderr
    assert plan(base=commit).code == 0


def test_a_tag_with_a_name_of_no_branch_is_a_valid_base(here: Path) -> None:
    tag_same_grants(here, "v1")
    git(here, "update-ref", "refs/remotes/origin/main", "main")
    git(here, "update-ref", "refs/remotes/origin/HEAD", "main")

    assert_plans(plan(base="main"))
    assert_plans(plan(base="origin"))
    assert_plans(plan(base="main@{0}"))
    assert plan(base="v1").code == 0


@pytest.mark.parametrize(
    "base", ["--output=x", "-h", "--all", "a\nb", "main:grants", "main..HEAD", "nowhere", ":/state\x1b"]
)
def test_a_base_that_is_not_a_revision_is_an_error(here: Path, base: str) -> None:
    result = reconciler("plan", f"--base={base}")

    assert result.code == 1
    assert result.stderr.startswith("error: ")
    assert not (here / "x").exists()


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize("option", ["base", "policy"])
@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.usefixtures("here")
def test_an_empty_option_is_an_error(command: str, option: str, value: str) -> None:
    result = reconciler(command, f"--{option}", value)

    assert result.code == 1
    assert f"'--{option}': the value is empty; check whether a shell variable is unset" in result.stderr


@pytest.mark.parametrize("option", ["config", "grants"])
@pytest.mark.usefixtures("here")
def test_an_empty_option_does_not_mean_the_default(option: str) -> None:
    result = reconciler("plan", f"--{option}", "")

    assert result.code == 1
    assert f"'--{option}': the value is empty" in result.stderr


def test_the_gitlab_example_fetches_the_branch_and_not_a_tag(here: Path) -> None:
    tag_same_grants(here, "main")
    git(here.parent, "clone", "--quiet", "--no-tags", str(here), "clone")
    script = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["plan"]["script"]
    (fetch,) = [line for line in script if "git fetch" in line]

    environment = {**os.environ, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    subprocess.run(["sh", "-c", fetch], cwd=here.parent / "clone", env=environment, check=True)

    assert git(here.parent / "clone", "rev-parse", "FETCH_HEAD") == git(here, "rev-parse", "refs/heads/main")


# --- links ---


@pytest.mark.parametrize("target", ["../../outside", "{outside}", "../grants-too"])
def test_a_grant_folder_that_links_out_of_the_repository_is_refused(here: Path, target: str) -> None:
    outside = here.parent / "outside"
    shutil.move(here / "grants", outside)
    (here / "grants-too").symlink_to(outside)
    (here / "grants").symlink_to(target.format(outside=outside).removeprefix("../"))

    for words in (["validate"], ["plan"], ["apply", "--yes"], ["fmt"], ["import"], ["validate", "grants/."]):
        result = reconciler(*words)
        assert result.code == 1, words
        assert '"grants" is a link to a place outside' in result.stderr


def test_a_link_in_a_parent_of_the_grant_folder_is_refused(here: Path) -> None:
    outside = here.parent / "outside"
    outside.mkdir()
    shutil.move(here / "grants", outside / "grants")
    (here / "team").symlink_to("../outside")

    result = reconciler("--grants", "team/grants", "plan")

    assert result.code == 1
    assert '"team/grants" is not read' in result.stderr


def test_links_inside_the_repository_are_followed_in_the_checkout_and_the_base(here: Path) -> None:
    shutil.move(here / "grants", here / "real")
    (here / "grants").symlink_to("real")
    (here / "real" / "billing.yaml").write_text(GRANTS)
    commit_all(here)
    (here / "real" / "billing.yaml").write_text(WIDER)

    assert "void:invoices" in plan(base="HEAD").stdout
    assert "1 from both" in plan(base="HEAD").stdout


def test_the_base_is_read_from_its_own_grant_folder(here: Path) -> None:
    """If a pull request moves the link, the base must still be read from the old target."""
    for team, text in {"a": GRANTS, "b": WIDER}.items():
        (here / team / "grants").mkdir(parents=True)
        (here / team / "grants" / "x.yaml").write_text(text)
    (here / "team").symlink_to("a")
    commit_all(here)
    (here / "team").unlink()
    (here / "team").symlink_to("b")

    result = reconciler("--grants", "team/grants", "plan", "--base", "HEAD")

    assert "1 from both" in result.stdout


def test_a_configuration_that_is_a_link_in_the_base_is_read(here: Path) -> None:
    config = (here / "reconciler.yaml").read_text()
    (here / "reconciler.yaml").unlink()
    (here / "reconciler.yaml").symlink_to("settings/all.yaml")
    (here / "settings").mkdir()
    (here / "settings" / "all.yaml").write_text(f"{config}variables: {{verb: read}}\n")
    (here / "grants" / "billing.yaml").write_text(
        GRANTS.replace("write:", "${verb}:").replace("      - read:invoices\n", "")
    )
    commit_all(here)
    (here / "settings" / "all.yaml").write_text(f"{config}variables: {{verb: write}}\n")

    assert "1 from both" in plan(base="HEAD").stdout


@pytest.mark.parametrize("kind", ["folder", "stray"])
def test_a_configuration_that_is_not_a_file_in_the_base_is_not_searched(here: Path, kind: str) -> None:
    config = (here / "reconciler.yaml").read_text()
    (here / "reconciler.yaml").unlink()
    if kind == "folder":
        (here / "reconciler.yaml").mkdir()
        (here / "reconciler.yaml" / "x.yaml").write_text("tenants: {other: {kind: sandbox}}\n")
    else:
        (here / "reconciler.yaml").symlink_to("/etc/passwd")
    commit_all(here)
    git(here, "rm", "--quiet", "-r", "--cached", "reconciler.yaml")
    shutil.rmtree(here / "reconciler.yaml") if kind == "folder" else (here / "reconciler.yaml").unlink()
    (here / "reconciler.yaml").write_text(config)

    assert_plans(plan(base="HEAD"))


def test_a_base_with_grants_outside_the_repository_is_not_empty(here: Path) -> None:
    shutil.move(here / "grants", here.parent / "grants")
    (here / "grants").symlink_to("../grants")
    commit_all(here)
    (here / "grants").unlink()
    shutil.move(here.parent / "grants", here / "grants")

    assert "grants in HEAD: warning: this is a link that leads out of the repository" in plan(base="HEAD").stderr
    assert plan("--only-branch", base="HEAD").code == 1


LINKS = {
    "to a file of another kind": ("n.yaml", "notes.txt", "does not lead to a grant file (*.yaml, *.yml)"),
    "out of the folder": ("n.yaml", "../reconciler.yaml", "leads out of the folder"),
    "out of the repository": ("n.yaml", "../../elsewhere.yaml", "leads out of the folder"),
    "out of the folder and back into it": ("n.yaml", "../grants/billing.yaml", "leads out of the folder"),
    "by an absolute path": ("n.yaml", "{here}/grants/billing.yaml", "leads out of the folder"),
    "to itself": ("n.yaml", "n.yaml", "leads to itself"),
    "to a hidden folder": ("team", ".team", "leads to a hidden folder, which is not read"),
    "through another link": ("n.yaml", "hop", "does not lead to a grant file (*.yaml, *.yml)"),
    "through a link to the parent folder": ("n.yaml", "out/grants/billing.yaml", "leads out of the folder"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_to_another_file_is_a_problem_in_the_checkout_and_the_base(here: Path, kind: str) -> None:
    name, target, message = LINKS[kind]
    grants = here / "grants"
    (grants / ".team").mkdir()
    (grants / ".team" / "a.yaml").write_text("grants: []\n")
    (grants / "notes.txt").write_text("grants: []\n")
    (grants / "hop").symlink_to("notes.txt")
    if "out" in target:
        (grants / "out").symlink_to("..")
    (here.parent / "elsewhere.yaml").write_text("grants: []\n")
    (grants / name).symlink_to(target.format(here=here))
    commit_all(here)

    today = reconciler("validate")
    (grants / name).unlink()
    (grants / "out").unlink(missing_ok=True)
    git(here, "add", "--all")
    base = plan(base="HEAD")

    assert today.code == 1
    assert f"grants/{name}: this symbolic link {message}" in today.stderr
    assert base.code == 0
    assert f"grants/{name} in HEAD: warning: this symbolic link {message}" in base.stderr


def test_a_linked_grant_file_is_read_once_in_the_checkout_and_the_base(here: Path) -> None:
    """A mounted ConfigMap has such links."""
    grants = here / "grants"
    (grants / "..2026").mkdir()
    (grants / "..2026" / "a.yaml").write_text(GRANTS)
    (grants / "billing.yaml").unlink()
    (grants / "..data").symlink_to("..2026")
    (grants / "a.yaml").symlink_to("..data/a.yaml")
    (grants / "b.yaml").symlink_to("./a.yaml")
    commit_all(here)

    assert reconciler("validate").stdout == "1 grant in 1 file: valid.\n"
    assert "Origin: 0 from this branch, 1 drift" in plan(base="HEAD").stdout


def test_the_grant_folder_of_a_mounted_configmap_is_read(here: Path) -> None:
    shutil.rmtree(here / ".git")
    (here / "..2026").mkdir()
    (here / "..data").symlink_to("..2026")
    for name in ("grants", "reconciler.yaml"):
        shutil.move(here / name, here / "..2026" / name)
        (here / name).symlink_to(f"..data/{name}")

    assert reconciler("validate").code == 0


def test_a_submodule_in_the_base_is_reported_as_not_read(here: Path) -> None:
    submodule = here / "grants" / "sub"
    submodule.mkdir()
    commit_all(submodule)
    commit_all(here)

    assert "grants/sub in HEAD: warning: this is a submodule, and submodules are not read" in plan(base="HEAD").stderr


# --- attributes ---


def write_attributes(folder: Path, *lines: str) -> None:
    (folder / ".gitattributes").write_text("".join(f"{line}\n" for line in lines))


ALTERING_ATTRIBUTES = {
    "encoding": ("", "*.yaml working-tree-encoding=SHIFT_JIS", "working-tree-encoding=SHIFT_JIS"),
    "ident": ("", "*.yaml ident", "ident=set"),
    "filter": ("", "*.yaml filter=evil", "filter=evil"),
    "in the folder": ("grants", "billing.yaml ident", "ident=set"),
    "by a macro": ("", "[attr]harmless ident\n*.yaml harmless", "ident=set"),
    "in the repository": (".git/info/attributes", "*.yaml ident", "ident=set"),
}


@pytest.mark.parametrize("kind", ALTERING_ATTRIBUTES)
def test_attributes_that_alter_grant_files_at_checkout_are_refused(here: Path, kind: str) -> None:
    location, text, message = ALTERING_ATTRIBUTES[kind]
    file = here / location if "info" in location else here / location / ".gitattributes"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{text}\n")

    for words in (["validate"], ["plan"], ["apply", "--yes"]):
        result = reconciler(*words)
        assert result.code == 1
        assert f"grants/billing.yaml: git alters this file at checkout ({message})" in result.stderr


def test_a_quoted_text_that_hides_lines_only_in_the_checkout_is_refused(here: Path) -> None:
    """The reviewed file has a yen sign. The checkout has a backslash in its place."""
    write_attributes(here, "billing.yaml working-tree-encoding=SHIFT_JIS")
    text = GRANTS.replace("Nightly run", '"Nightly \\"')
    (here / "grants" / "billing.yaml").write_bytes(text.encode("ascii"))

    assert "git alters this file" in reconciler("validate").stderr


def test_attributes_of_the_configuration_are_checked(here: Path) -> None:
    write_attributes(here, "/reconciler.yaml ident")

    assert "reconciler.yaml: git alters this file" in reconciler("validate").stderr
    assert reconciler("plan").code == 1


def test_attributes_of_a_linked_hidden_folder_are_checked(here: Path) -> None:
    hidden = here / "grants" / ".hidden"
    hidden.mkdir()
    write_attributes(hidden, "a.yaml ident")
    (hidden / "a.yaml").write_text("grants: []\n")
    (here / "grants" / "a.yaml").symlink_to(".hidden/a.yaml")

    assert "grants/a.yaml: git alters this file" in reconciler("validate").stderr


@pytest.mark.parametrize("how", ["sparse", "link"])
def test_attributes_in_the_index_are_checked(here: Path, how: str) -> None:
    if how == "sparse":
        write_attributes(here, "*.yaml ident")
        git(here, "add", ".gitattributes")
        (here / ".gitattributes").unlink()
        (here / ".git" / "info").mkdir(exist_ok=True)
        (here / ".git" / "info" / "sparse-checkout").write_text("/grants\n")
    else:
        (here / ".gitattributes").symlink_to("*.yaml ident")
        git(here, "add", ".gitattributes")

    assert "grants/billing.yaml: git alters this file" in reconciler("validate").stderr


def test_harmless_attributes_are_allowed(here: Path) -> None:
    write_attributes(here, "*.png filter=lfs diff=lfs", "*.yaml text eol=lf", "*.yaml -ident !filter")

    assert reconciler("validate").code == 0


def test_unreadable_attributes_are_not_treated_as_harmless(here: Path) -> None:
    write_attributes(here, "*.yaml ident")
    shutil.rmtree(here / ".git")
    (here / ".git").mkdir()

    result = reconciler("validate")

    assert result.code == 1
    assert "git cannot use the repository" in result.stderr


def test_without_git_attributes_are_not_checked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_attributes(here, "*.yaml ident")
    monkeypatch.setenv("PATH", "")

    assert reconciler("validate").code == 0


def test_a_worktree_works_like_a_clone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(here, "worktree", "add", "--quiet", "--detach", str(here.parent / "tree"), "main")
    monkeypatch.chdir(here.parent / "tree")

    assert_plans(plan())
    (here / ".git" / "info").mkdir(exist_ok=True)
    (here / ".git" / "info" / "attributes").write_text("*.yaml ident\n")
    assert reconciler("validate").code == 1
