"""Pure: which credentials there are and where they come from, in words that give none of them away."""

from collections.abc import Mapping

from reconciler.auth0.credentials import (
    PRIVATE_KEY,
    PRIVATE_KEY_PATH,
    TOKENS,
    AccessToken,
    ClientSecret,
    Credentials,
    CredentialVariables,
    PrivateKey,
)
from reconciler.config import Tenant, TenantKind
from reconciler.core.quoting import enumerated
from reconciler.doctor.sight import ProbeFailed


def described_credentials(
    credentials: Credentials | ProbeFailed, tenant: Tenant, environment: Mapping[str, str]
) -> str | ProbeFailed:
    """Return what kind of credentials `tenant` is reached with, and the variables that hold them."""
    if isinstance(credentials, ProbeFailed):
        return credentials
    if tenant.kind is TenantKind.SANDBOX:
        return "the sandbox's own"
    given = CredentialVariables(environment, tenant.credentials)
    match credentials:
        case AccessToken():
            return f"a ready token from {given.name(*TOKENS)}"
        case PrivateKey():
            names = [given.name("CLIENT_ID"), given.name(PRIVATE_KEY, PRIVATE_KEY_PATH)]
            what = f"a private key ({credentials.algorithm})"
        case ClientSecret():
            names = [given.name("CLIENT_ID"), given.name("CLIENT_SECRET")]
            what = "a client secret"
    if given.text("AUDIENCE"):
        names.append(given.name("AUDIENCE"))
    return f"{what} from {enumerated(names, 'and')}"
