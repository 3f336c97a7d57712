import json
from pathlib import Path

import pytest
from support.commands import SEED, a_workspace, enter_clean_folder, reconciler

from auth0_sandbox.served import served as served_sandbox

TENANT = """\
clientGrants:
  - client_id: Billing
    audience: https://api.example.com/invoices
    scope: [read:invoices]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tenant.yaml").write_text(TENANT, encoding="utf-8")
    enter_clean_folder(tmp_path, monkeypatch)
    return tmp_path


def files_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--from deploy-cli", "the option --from needs PATH"),
        ("--from deploy-cli tenant.yaml --update", "cannot be combined with --update"),
        ("--mappings a.json=dev", "--mappings has no effect without --from deploy-cli"),
        ("--from terraform a.json --mappings a.json=dev", "--mappings has no effect without --from deploy-cli"),
        ("tenant.yaml", "PATH cannot be used alone; add --update or --from"),
        ("--from deploy-cli tenant.yaml --mappings dev.json", "write the file and its tenant as FILE=TENANT"),
        ("--from deploy-cli tenant.yaml --mappings a.json=dev --mappings b.json=dev", "two files for the tenant"),
        ("--from deploy-cli none.yaml", "none.yaml does not exist; check the path"),
        ("--from deploy-cli tenant.yaml --mappings none.json=dev", "none.json does not exist"),
        ("--from deploy-cli tenant.yaml --mappings tenant.yaml=dev", "tenant.yaml is not valid JSON"),
        ("--from deploy-cli tenant.yaml --mappings list.json=dev", "it is not a JSON object"),
        ("--from deploy-cli tenant.yaml --mappings empty.json=dev", 'the domain of the tenant "dev" is unknown'),
        ("--from deploy-cli empty", "empty contains neither a folder named grants nor a file tenant.yaml"),
        ("--from deploy-cli bad", "bad/grants/a.json:1:2: this is not valid JSON"),
        (
            "--from deploy-cli twice.yaml",
            'twice.yaml:3:5: the grant of "A" for "x" (client) is already declared at twice.yaml:2',
        ),
        ("--from deploy-cli map.yaml", "map.yaml:1:15: clientGrants is not a list"),
        ("--from deploy-cli all.yaml --mappings all.json=dev", 'all.yaml:1:15: the keyword "GRANTS" has no value'),
        ("--from deploy-cli all.yaml --mappings map.json=dev", "all.yaml:1:15: clientGrants is not a list"),
        (
            "--from deploy-cli a.yaml tenant.yaml=dev",
            "only some PATHs have a tenant; add a tenant to every PATH (PATH=TENANT), or remove all tenants",
        ),
        ("--from terraform one.json two.json", "a Terraform state belongs to one tenant"),
        ("--from terraform empty", "empty is a folder"),
    ],
)
def test_wrong_arguments_and_files_are_explained(folder: Path, arguments: str, message: str) -> None:
    (folder / "list.json").write_text("[]")
    (folder / "empty.json").write_text("{}")
    (folder / "map.yaml").write_text("clientGrants: {a: b}\n")
    (folder / "all.yaml").write_text("clientGrants: @@GRANTS@@\n")
    (folder / "all.json").write_text('{"AUTH0_DOMAIN": "dev.auth0.com"}')
    (folder / "map.json").write_text(
        '{"AUTH0_DOMAIN": "d.auth0.com", "AUTH0_KEYWORD_REPLACE_MAPPINGS": {"GRANTS": {}}}'
    )
    grant = "  - {client_id: A, audience: x, scope: []}\n"
    (folder / "twice.yaml").write_text(f"clientGrants:\n{grant}{grant}")
    (folder / "empty").mkdir()
    (folder / "bad" / "grants").mkdir(parents=True)
    (folder / "bad" / "grants" / "a.json").write_text("{")
    before = files_in(folder)

    ran = reconciler("import", *arguments.split())

    assert ran.code in (1, 2)
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert files_in(folder) == before


def test_secrets_of_a_configuration_never_appear(folder: Path) -> None:
    secret = "canary-secret"
    config = {
        "AUTH0_DOMAIN": "dev.auth0.com",
        "AUTH0_CLIENT_SECRET": secret,
        "AUTH0_KEYWORD_REPLACE_MAPPINGS": {"X": secret},
    }
    (folder / "dev.json").write_text(json.dumps(config))

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--mappings", "dev.json=dev")

    assert ran.code == 0
    assert secret not in ran.output + "".join(text for name, text in files_in(folder).items() if name != "dev.json")


def test_one_option_may_have_several_mappings(folder: Path) -> None:
    for stage in ("dev", "prod"):
        (folder / f"{stage}.json").write_text(f'{{"AUTH0_DOMAIN": "{stage}.auth0.com"}}')

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--mappings", "dev.json=dev", "prod.json=prod")

    assert ran.stdout.startswith("Imported: 2 grants of 2 tenants as 1 declaration in 1 new file;")


def test_a_file_of_another_tenant_is_refused(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("tenants: {dev: {domain: dev.auth0.com}}\n")
    (folder / "prod.json").write_text('{"AUTH0_DOMAIN": "prod.auth0.com"}')

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--mappings", "prod.json=dev")

    assert ran.stderr == (
        'error: prod.json is for prod.auth0.com, but the domain of the tenant "dev" is dev.auth0.com; '
        "use the file for dev.auth0.com\n"
    )


def test_a_variable_with_another_value_is_never_replaced(folder: Path) -> None:
    config = "variables: {API: x}\ntenants: {dev: {domain: dev.auth0.com}}\n"
    (folder / "reconciler.yaml").write_text(config)
    (folder / "tenant.yaml").write_text("clientGrants: [{client_id: A, audience: ##API##, scope: []}]\n")
    (folder / "dev.json").write_text('{"API": "y"}')

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--mappings", "dev.json=dev")

    assert (ran.code, "already defines API with another value" in ran.stderr) == (1, True)
    assert (folder / "reconciler.yaml").read_text() == config


def test_a_link_out_of_the_workspace_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "tenant.yaml"
    outside.write_text(TENANT)
    (folder / "tenant.yaml").unlink()
    (folder / "tenant.yaml").symlink_to(outside)

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml")

    assert (ran.code, "is a link to a place outside" in ran.stderr) == (1, True)


def test_a_tenant_with_a_custom_domain_needs_no_environment(folder: Path) -> None:
    config = "tenants: {dev: {domain: login.example.com, canonical_domain: dev.auth0.com}}\n"
    (folder / "reconciler.yaml").write_text(config)
    audience = TENANT.replace("https://api.example.com/invoices", "https://dev.auth0.com/api/v2/")
    (folder / "tenant.yaml").write_text(audience)

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--tenant", "dev")

    assert ran.code == 0, ran.output
    assert "https://${domain}/api/v2/" in (folder / "grants" / "billing.yaml").read_text()


def test_crlf_and_a_byte_order_mark_are_read(folder: Path) -> None:
    text = TENANT.replace("    scope", "    # why\n    scope").replace("\n", "\r\n")
    (folder / "tenant.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert reconciler("import", "--from", "deploy-cli", "tenant.yaml").code == 0

    assert "    # why\n    scope:\n      - read:invoices\n" in (folder / "grants" / "billing.yaml").read_text()


def test_grants_are_selected_by_pattern(folder: Path) -> None:
    more = "  - {client_id: Portal, audience: urn:x, scope: []}\n"
    (folder / "tenant.yaml").write_text(TENANT + more)

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--client", "Port*", "--api", "urn:*")

    assert ran.stdout.startswith("Imported: 1 grant in 1 new file; 0 declared already, 0 left out.\n")


def test_with_a_sandbox_the_import_ends_with_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_workspace(tmp_path, monkeypatch, **{"grants/billing": "grants: []\n"})
    (here / "tenant-of-the-tool.yaml").write_text(TENANT)

    ran = reconciler("import", "--from", "deploy-cli", "tenant-of-the-tool.yaml")

    assert ran.code == 0, ran.output
    assert ran.stdout.endswith("Plan: 1 to create, 0 to update, 0 to delete; 0 unchanged, 2 left alone.\n")


def test_credentials_of_one_tenant_are_not_sent_to_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = tmp_path_factory.mktemp("seed") / "tenant.yaml"
    seed.write_text(SEED)
    with served_sandbox(seed.parent / "tenant.db", seed) as sandbox:
        domain = sandbox.environment["AUTH0_DOMAIN"]
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        (folder / "reconciler.yaml").write_text(
            f"tenants:\n  dev: {{domain: '{domain}'}}\n  prod: {{domain: prod.auth0.com}}\n"
        )

        ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--all-tenants")

    assert ran.code == 0, ran.output
    assert "reconciler plan --tenant prod\n" in ran.stdout
    assert "plan --tenant dev" not in ran.stdout
    assert "Tenant dev" in ran.stdout


@pytest.mark.parametrize("arguments", ["deploy-cli none.yaml", "terraform none.yaml"])
def test_a_missing_file_is_reported_before_a_missing_tenant(folder: Path, arguments: str) -> None:
    (folder / "reconciler.yaml").write_text("tenants: {dev: {domain: dev.example}, prod: {domain: prod.example}}\n")

    ran = reconciler("import", "--from", *arguments.split())

    assert (ran.code, ran.stderr) == (1, "error: none.yaml does not exist; check the path\n")


def test_existing_declarations_that_apply_to_a_new_tenant_are_compared_and_noted(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("tenants: {dev: {domain: dev.auth0.com}}\n")
    (folder / "grants").mkdir()
    billing = "{client: Billing, audience: 'https://api.example.com/invoices', scope: [other]}"
    (folder / "grants" / "a.yaml").write_text(f"grants:\n  - {billing}\n  - {{client: B, audience: x, scope: [a]}}\n")
    (folder / "stage.json").write_text('{"AUTH0_DOMAIN": "stage.auth0.com"}')

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--mappings", "stage.json=stage")

    assert ran.stdout.startswith("Imported: nothing new; 1 declared already, 1 left out.")
    assert 'grants/a.yaml:3:5 also apply to the new tenant "stage", but the import has no such grants' in ran.stdout
    assert ran.stderr == (
        "Left out: grants/a.yaml:2:5: Billing -> https://api.example.com/invoices [stage]\n"
        "    this file declares the grant with other values than the imported files\n"
    )
    assert reconciler("validate").code == 0


def test_a_pattern_matches_the_value_of_a_keyword(folder: Path) -> None:
    grant = "{client_id: 'Portal ##STAGE##', audience: x, scope: [a]}"
    (folder / "tenant.yaml").write_text(f"clientGrants:\n  - {grant}\n")
    (folder / "dev.json").write_text(
        '{"AUTH0_DOMAIN": "dev.auth0.com", "AUTH0_KEYWORD_REPLACE_MAPPINGS": {"STAGE": "dev"}}'
    )
    arguments = ("--from", "deploy-cli", "tenant.yaml", "--mappings", "dev.json=dev")

    assert reconciler("import", *arguments, "--client", "Portal prod").stdout.startswith("Imported: nothing new")
    assert reconciler("import", *arguments, "--client", "Portal dev").stdout.startswith("Imported: 1 grant")


def test_the_management_api_of_a_tenant_with_a_custom_domain_is_imported(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("tenants: {dev: {domain: login.example.com}}\n")
    grant = "{client_id: A, audience: 'https://dev.auth0.com/api/v2/', scope: ['read:users']}"
    (folder / "tenant.yaml").write_text(f"clientGrants:\n  - {grant}\n")

    assert reconciler("import", "--from", "deploy-cli", "tenant.yaml=dev").stdout.startswith("Imported: 1 grant")


def test_grants_for_the_management_api_of_another_tenant_are_refused(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("tenants: {dev: {domain: dev.auth0.com}}\n")
    grant = "{client_id: A, audience: 'https://prod.auth0.com/api/v2/', scope: ['read:users']}"
    (folder / "tenant.yaml").write_text(f"clientGrants:\n  - {grant}\n")
    before = files_in(folder)

    ran = reconciler("import", "--from", "deploy-cli", "tenant.yaml=dev")

    assert (ran.code, files_in(folder)) == (1, before)
    assert ran.stderr == (
        'tenant.yaml:2:5: this is the Management API of prod.auth0.com, but the domain of "dev" is dev.auth0.com; '
        "use the files for dev.auth0.com\n"
    )


def test_a_note_names_only_selected_grants_with_organizations(folder: Path) -> None:
    organization = "organizations:\n  - name: acme\n    client_grants: [{client_id: Billing}]\n"
    portal = TENANT.partition("\n")[2].replace("Billing", "Portal")
    (folder / "tenant.yaml").write_text(organization + TENANT + portal, encoding="utf-8")

    other = reconciler("import", "--from", "deploy-cli", "tenant.yaml", "--client", "Portal")
    both = reconciler("import", "--from", "deploy-cli", "tenant.yaml")

    assert "organizations: for" not in other.stdout
    assert "organizations: for the grants of Billing, the import declares the organizations" in both.stdout
