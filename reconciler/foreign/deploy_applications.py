"""Find the applications in the files of auth0-deploy-cli: their names, their ids, and which are third-party."""

import re
from collections import defaultdict
from collections.abc import Iterable

from reconciler.foreign.document import ForeignNode

CLIENT_ID = re.compile(r"(tpc_)?[A-Za-z0-9]{28,32}")
"""The form of the client ids of Auth0.

A text in this form is an id, unless the files contain an application with this name.
"""


class DeployApplications:
    """The applications in the files of auth0-deploy-cli for one tenant.

    Grants and settings of auth0-deploy-cli identify an application by its name or by its id.
    """

    def __init__(self, nodes: Iterable[ForeignNode] = ()) -> None:
        self._ids: set[str] = set()
        self._names: set[str] = set()
        self._texts: dict[str, set[str]] = defaultdict(set)
        self._is_third_party: dict[str, bool] = {}
        for node in nodes:
            name, identity = _text(node.get("name")), _text(node.get("client_id"))
            first_party = node.get("is_first_party")
            texts = {each for each in (name, identity) if each}
            self._names |= {name} & texts
            self._ids |= {identity} & texts
            for each in texts:
                self._texts[each] |= texts
                is_third_party = first_party is not None and first_party.value is False
                self._is_third_party[each] = self._is_third_party.get(each, False) or is_third_party

    def is_id(self, text: str) -> bool:
        """Return whether `text` is the id of an application, and not a name."""
        return text in self._ids or (text not in self._names and CLIENT_ID.fullmatch(text) is not None)

    def texts(self, text: str) -> frozenset[str]:
        """Return the known names and ids of the application with the name or the id `text`, including `text`."""
        return frozenset({text, *self._texts.get(text, ())})

    def is_third_party(self, text: str) -> bool | None:
        """Return whether an application is third-party, or None if the files do not contain the application."""
        return self._is_third_party.get(text)

    def holder(self, text: str) -> dict[str, str]:
        """Return the field of a grant file that identifies the application: `client` or `client_id`."""
        return {"client_id" if self.is_id(text) else "client": text}


def _text(node: ForeignNode | None) -> str:
    return node.value if node is not None and isinstance(node.value, str) else ""
