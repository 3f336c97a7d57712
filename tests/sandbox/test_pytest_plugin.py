import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SUITE = """
import ssl
import httpx
import pytest
from auth0_sandbox.faults.plan import AnswerFault, FaultPlan, Rule
from auth0_sandbox.settings import Settings


@pytest.fixture
def auth0_sandbox_seed(tmp_path):
    seed = tmp_path / "tenant.yaml"
    seed.write_text("applications: [{name: Worker, client_id: worker}]")
    return seed


def names(sandbox, *scope, **options):
    headers = {"authorization": f"Bearer {sandbox.token(*scope)}"}
    answer = httpx.get(f"{sandbox.url}/api/v2/clients", headers=headers, **options)
    return [client["name"] for client in answer.json()] if answer.is_success else answer.status_code


def test_the_tenant_contains_the_seed(auth0_sandbox):
    assert "Worker" in names(auth0_sandbox)
    assert auth0_sandbox.environment["AUTH0_DOMAIN"] == auth0_sandbox.domain
    assert auth0_sandbox.client_secret not in repr(auth0_sandbox)


def test_the_credentials_get_a_token(auth0_sandbox):
    form = {
        "grant_type": "client_credentials",
        "client_id": auth0_sandbox.client_id,
        "client_secret": auth0_sandbox.client_secret,
        "audience": auth0_sandbox.audience,
    }
    assert httpx.post(f"{auth0_sandbox.url}/oauth/token", data=form).json()["access_token"]


def test_a_token_has_the_requested_permissions(auth0_sandbox):
    assert names(auth0_sandbox, "read:client_grants") == 403


def test_faults_can_be_set(auth0_sandbox):
    auth0_sandbox.set_faults(Rule(AnswerFault(status=503)))
    assert names(auth0_sandbox) == 503
    auth0_sandbox.set_faults()
    assert "Worker" in names(auth0_sandbox)
    assert auth0_sandbox.statistics()["requests"] == 2
    assert [grant["subject_type"] for grant in auth0_sandbox.grants()] == ["client"]


@pytest.mark.auth0_sandbox(tls=True)
def test_https_works(auth0_sandbox):
    authority = auth0_sandbox.environment["SSL_CERT_FILE"]
    assert auth0_sandbox.url.startswith("https://")
    assert "Worker" in names(auth0_sandbox, verify=ssl.create_default_context(cafile=authority))


@pytest.mark.auth0_sandbox(faults=FaultPlan((Rule(AnswerFault(status=503)),)), rate_limit="free")
class TestMarked:
    def test_marker_of_the_class(self, auth0_sandbox):
        assert names(auth0_sandbox) == 503

    @pytest.mark.auth0_sandbox(faults=FaultPlan(), settings=Settings(limit_before_token=True))
    def test_marker_of_the_method(self, auth0_sandbox):
        assert httpx.get(f"{auth0_sandbox.url}/api/v2/clients").headers["x-ratelimit-remaining"] == "1"
"""
PLAIN = (
    "def test_without_a_tenant(request):\n    assert 'auth0_sandbox.store.database' not in __import__('sys').modules\n"
)


def run(folder: Path, suite: str) -> subprocess.CompletedProcess[str]:
    """Run a suite of another project, in its own folder and process."""
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    plugin = ["-p", "no:reconciler-sandbox", "-p", "auth0_sandbox.pytest_plugin"]
    temporary = f"--basetemp={folder / 'temporary'}"  # otherwise, pytest removes the folders of earlier runs
    options = ["-q", "--strict-markers", "-W", "error", "-p", "no:cacheprovider", temporary, *plugin]
    words = [sys.executable, "-m", "pytest", *options, "test_suite.py"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_each_test_of_another_suite_gets_a_separate_tenant(tmp_path: Path) -> None:
    done = run(tmp_path, SUITE)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "7 passed" in done.stdout


def test_a_suite_without_a_tenant_does_not_import_the_sandbox(tmp_path: Path) -> None:
    done = run(tmp_path, PLAIN)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_pytest_finds_the_fixtures_without_an_import() -> None:
    (found,) = (each for each in entry_points(group="pytest11") if each.name == "reconciler-sandbox")
    assert found.value == "auth0_sandbox.pytest_plugin"
    assert callable(found.load().auth0_sandbox)
