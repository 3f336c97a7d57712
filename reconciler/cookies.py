"""A jar for httpx that takes no cookies. The standard library's prints a traceback about some that servers send."""

from http.cookiejar import CookieJar
from typing import Any


class NoCookies(CookieJar):
    """Keeps nothing: none of the APIs needs a cookie."""

    def extract_cookies(self, response: Any, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Ignore the cookies of a response."""
