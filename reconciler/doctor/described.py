"""Pure: which credentials there are and where they come from, in words that give none of them away."""

from collections.abc import Mapping

from reconciler.auth0.credentials import AccessToken, ClientSecret, Credentials, PrivateKey
from reconciler.config import Kind
from reconciler.core.quoting import enumerated
from reconciler.doctor.sight import Trouble

TOKENS = ("AUTH0_ACCESS_TOKEN", "AUTH0_API_TOKEN")
KEYS = ("AUTH0_CLIENT_ASSERTION_PRIVATE_KEY", "AUTH0_CLIENT_SIGNING_KEY_PATH")


def described_credentials(
    credentials: Credentials | Trouble, kind: Kind, environment: Mapping[str, str]
) -> str | Trouble:
    """Return what kind of credentials a tenant of `kind` is reached with, and the variables that hold them."""
    if isinstance(credentials, Trouble):
        return credentials
    if kind is Kind.SANDBOX:
        return "the sandbox's own"
    match credentials:
        case AccessToken():
            return f"a ready token from {_first(TOKENS, environment)}"
        case PrivateKey():
            names = ["AUTH0_CLIENT_ID", _first(KEYS, environment)]
            what = f"a private key ({credentials.algorithm})"
        case ClientSecret():
            names = ["AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET"]
            what = "a client secret"
    if environment.get("AUTH0_AUDIENCE"):
        names.append("AUTH0_AUDIENCE")
    return f"{what} from {enumerated(names, 'and')}"


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Return the variable that counts: the first that says something."""
    return next((name for name in names if environment.get(name, "").strip()), names[0])
