"""The endpoints of /clients/{id}/credentials, which contain the public keys of an application."""

from auth0_sandbox.api.credentials import Registrar, patched_credential, shown_credential
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.responses import NO_CONTENT, SandboxResponse, conflict, created, not_found, ok
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.documents import Document
from auth0_sandbox.store.identities import randomly

MOST_CREDENTIALS = 20  # a limit of the sandbox, because the list has no pages; Auth0 allows two credentials


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
