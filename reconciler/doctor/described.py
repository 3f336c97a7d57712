"""Pure: which credentials there are and where they come from, in words that give none of them away."""

from collections.abc import Mapping

from reconciler.auth0.credentials import (
    PRIVATE_KEY,
    PRIVATE_KEY_PATH,
    TOKENS,
    AccessToken,
    ClientSecret,
    Credentials,
    PrivateKey,
    Variables,
)
from reconciler.config import Kind, Tenant
from reconciler.core.quoting import enumerated
from reconciler.doctor.sight import Trouble


def described_credentials(
    credentials: Credentials | Trouble, tenant: Tenant, environment: Mapping[str, str]
) -> str | Trouble:
    """Return what kind of credentials `tenant` is reached with, and the variables that hold them."""
    if isinstance(credentials, Trouble):
        return credentials
    if tenant.kind is Kind.SANDBOX:
        return "the sandbox's own"
    given = Variables(environment, tenant.credentials)
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
