"""The settings that an undeclared tenant had in earlier commits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import GRANTS
from support.repository import commit_all

from reconciler.app.past_declarations import read_past_declarations
from reconciler.config.tenants import Config, undeclared_tenant
from reconciler.git.repository import open_repository

CONFIG = Path("reconciler.yaml")


def link() -> None:
    Path("shared.yaml").write_text("variables: {app: Billing}\n")
    CONFIG.symlink_to("shared.yaml")


@pytest.mark.parametrize(
    "leave_config",
    [
        link,
        lambda: CONFIG.write_text("unknown_setting: 1\n"),
        lambda: CONFIG.write_text("waves: [{name: a, tenants: [a]}]\n"),
    ],
    ids=["link", "not valid", "wave without tenants"],
)
def test_the_declarations_of_a_commit_with_an_unreadable_configuration_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_config: Callable[[], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grants").mkdir()
    Path("grants/billing.yaml").write_text(GRANTS)
    leave_config()
    commit_all(tmp_path)
    config = Config()
    tenant = undeclared_tenant(config, "acme.eu.auth0.com")

    past = read_past_declarations(open_repository(tmp_path), Path("grants"), config, [tenant]).of(tenant.name)

    assert (list(past.presences), len(past.unknown)) == ([], 1)
