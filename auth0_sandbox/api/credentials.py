"""The credentials of applications (public keys), and the endpoints of /clients/{id}/credentials."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auth0_sandbox.api.keys import ALGORITHMS, BadKeyError, thumbprint
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.incoming import invalid_body
from auth0_sandbox.requests.responses import (
    NO_CONTENT,
    RefusalError,
    SandboxResponse,
    conflict,
    created,
    not_found,
    ok,
)
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.documents import Document, parse_time, project, timestamp
from auth0_sandbox.store.identities import Pick, credential_id, randomly

METHODS = "client_authentication_methods"
MOST_CREDENTIALS = 20  # a limit of the sandbox, because the list has no pages; Auth0 allows two credentials
_HIDDEN = frozenset({"client_id", "pem"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """The context of new credentials: the application, the time (UNIX seconds), and a function that creates ids."""

    client_id: str
    now: float
    pick: Callable[[str], Pick]

    def credential(self, attributes: Mapping[str, Any]) -> Document:
        """Return a new credential in its stored form, with the key and the id of the application.

        Raises:
            RefusalError: 400 `invalid_body` if the key is not valid.
        """
        time = timestamp(self.now)
        kid, named = _kid(attributes), {"name": attributes["name"]} if "name" in attributes else {}
        shown: Document = {"id": credential_id(self.pick(kid))} | named
        shown |= {"credential_type": attributes.get("credential_type", "public_key"), "kid": kid}
        shown |= {"alg": attributes.get("alg", ALGORITHMS[0]), "created_at": time, "updated_at": time}
        return shown | _expiry(attributes) | {"pem": attributes.get("pem", ""), "client_id": self.client_id}


@dataclass(frozen=True, slots=True)
class Registration:
    """The attributes of an application and its new credentials. The attributes contain only the ids of credentials."""

    attributes: Document
    credentials: list[Document] = field(default_factory=list)


def register(attributes: Document, registrar: Registrar) -> Registration:
    """Extract the new credentials from an application's `client_authentication_methods`.

    Raises:
        RefusalError: 400 `invalid_body` if a key is not valid.
    """
    methods = attributes.get(METHODS)
    if not methods or "private_key_jwt" not in methods:
        return Registration(attributes)
    links: list[Document] = []
    new: list[Document] = []
    for item in methods["private_key_jwt"]["credentials"]:
        if "pem" in item:
            new.append(registrar.credential(item))
        links.append({"id": new[-1]["id"] if "pem" in item else item.get("id", "")})
    method = methods["private_key_jwt"] | {"credentials": links}
    return Registration(attributes | {METHODS: methods | {"private_key_jwt": method}}, new)


def linked_ids(client: Document) -> list[str]:
    """Return the ids of the credentials that verify the application's assertions."""
    method = (client.get(METHODS) or {}).get("private_key_jwt", {})
    return [link["id"] for link in method.get("credentials", ())]


def shown_credential(credential: Document) -> Document:
    """Return the credential for a response, without its key."""
    return project(credential, _HIDDEN, include=False)


def patched_credential(credential: Document, changes: Document, now: float) -> Document:
    """Return the credential after a PATCH. `expires_at: null` removes the expiry.

    Raises:
        RefusalError: 400 `invalid_body` if `expires_at` is not a time.
    """
    unchanged = {name: value for name, value in credential.items() if name not in changes}
    return unchanged | _expiry(changes) | {"updated_at": timestamp(now)}


def has_expired(credential: Document, now: float) -> bool:
    """Return whether the credential has expired at `now` (UNIX seconds)."""
    return "expires_at" in credential and parse_time(credential["expires_at"]).timestamp() <= now


def _expiry(attributes: Mapping[str, Any]) -> Document:
    text: str | None = attributes.get("expires_at")
    if text is None:
        return {}
    try:
        parse_time(text)
    except ValueError as error:
        message = f"'Object didn't pass validation for format date-time: {text}' on property expires_at."
        raise invalid_body(message) from error
    return {"expires_at": text}


def _kid(attributes: Mapping[str, Any]) -> str:
    if attributes.get("credential_type", "public_key") != "public_key":
        return ""
    try:
        return thumbprint(attributes.get("pem", ""))
    except BadKeyError as error:
        raise _bad_pem(str(error)) from error


def _bad_pem(reason: str) -> RefusalError:
    return invalid_body(f"'Object didn't pass validation for format pem: {reason}' on property pem.")


def list_credentials(call: ApiCall) -> SandboxResponse:
    """Return all credentials of an application. In recorded responses, include_totals does not change the array."""
    _check_client(call)
    rows = call.store.find(DocumentKind.CREDENTIALS, {"client_id": call.path["id"]}, limit=MOST_CREDENTIALS)
    return ok([shown_credential(row.document()) for row in rows])


def get_credential(call: ApiCall) -> SandboxResponse:
    """Return the credential with the id in the path."""
    return ok(shown_credential(_existing(call)))


def create_credential(call: ApiCall) -> SandboxResponse:
    """Add a credential to an application.

    The credential has no effect until the application refers to the credential.
    """
    registrar = Registrar(client_id=call.path["id"], now=call.now, pick=lambda _kid: randomly)
    with call.store.transaction():
        _check_client(call)
        credential = registrar.credential(call.body)
        if call.store.count(DocumentKind.CREDENTIALS, {"client_id": call.path["id"]}) >= MOST_CREDENTIALS:
            raise conflict(f"An application has at most {MOST_CREDENTIALS} credentials", call.settings.conflict_code)
        call.store.add(DocumentKind.CREDENTIALS, credential["id"], credential)
    return created(shown_credential(credential))


def update_credential(call: ApiCall) -> SandboxResponse:
    """Change the expiry of a credential."""
    with call.store.transaction():
        after = patched_credential(_existing(call), call.body, call.now)
        call.store.replace(DocumentKind.CREDENTIALS, after["id"], after)
    return ok(shown_credential(after))


def delete_credential(call: ApiCall) -> SandboxResponse:
    """Delete a credential. A missing credential is not an error."""
    call.store.remove(DocumentKind.CREDENTIALS, {"client_id": call.path["id"], "id": call.path["credential_id"]})
    return NO_CONTENT


def _check_client(call: ApiCall) -> None:
    if call.store.get(DocumentKind.CLIENTS, call.path["id"]) is None:
        raise not_found("The client does not exist", "inexistent_client")


def _existing(call: ApiCall) -> Document:
    credential = call.store.get(DocumentKind.CREDENTIALS, call.path["credential_id"])
    if credential is None or credential["client_id"] != call.path["id"]:
        raise not_found("The credential does not exist", "inexistent_credential")
    return credential


ENDPOINTS = (
    endpoint("GET", "/clients/{id}/credentials", list_credentials),
    endpoint("POST", "/clients/{id}/credentials", create_credential),
    endpoint("GET", "/clients/{id}/credentials/{credential_id}", get_credential),
    endpoint("PATCH", "/clients/{id}/credentials/{credential_id}", update_credential),
    endpoint("DELETE", "/clients/{id}/credentials/{credential_id}", delete_credential),
)
