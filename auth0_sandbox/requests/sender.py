"""The sender of a request, for log events."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_CORRELATION_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSender:
    """The sender of a request. Unknown values are empty texts.

    `base_url` is the address that the sender used for the server, without a final slash. `auth0_client` is the raw
    value of the header Auth0-Client.
    """

    ip: str = ""
    user_agent: str = ""
    auth0_client: str = ""
    correlation_id: str = ""
    base_url: str = ""

    def sdk(self) -> Mapping[str, Any]:
        """Return the decoded header Auth0-Client: the name and version of an SDK.

        An invalid header gives an empty mapping.
        """
        try:
            content = json.loads(b64decode(self.auth0_client))
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}
