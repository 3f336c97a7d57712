"""Pure: Auth0's documented rate limits, by plan (operational policies, August 2026).

Client grants have no limit of their own on any plan: they draw on the bucket of the whole Management API.
"""

from collections.abc import Mapping

from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError
from reconciler.sandbox.limits import Limit, Profile, Rate

MINUTE = 60
_API = "/api/v2/*"
_TOKEN = "/oauth/token"  # noqa: S105 - a path, no secret
_OWN = "Endpoint limit has been reached"  # an assumption: only the global limit's text has been seen


def _whole(api: Rate, authentication: Rate | None) -> Profile:
    asked_first = Limit(api, _API)
    return (asked_first, Limit(authentication, _TOKEN)) if authentication else (asked_first,)


def _endpoint(method: str, path: str, rate: Rate, parameter: str | None = None) -> Limit:
    return Limit(rate, f"/api/v2{path}", method, parameter, _OWN)


def _organizations(factor: int = 1) -> Profile:
    """Return the limits on grants of organizations: documented up to the tier of 100 requests/s, larger ones scale.

    That both verbs scale alike is an assumption.
    """
    path = "/organizations/{id}/client-grants"
    return (
        _endpoint("GET", path, Rate(10 * factor, 100 * factor, MINUTE)),
        _endpoint("POST", path, Rate(5 * factor, 150 * factor, MINUTE)),
    )


def _private(rate: int, factor: int = 1) -> Profile:
    """Return a tier of the private cloud, of which burst and sustained rate are one figure."""
    return (*_whole(Rate(rate, rate), None), _SEARCH, *_organizations(factor))


_SEARCH = _endpoint("GET", "/clients", Rate(5, 150, MINUTE), "q")
_SELF_SERVICE: Profile = (
    # The page prints no global figure for these plans. The lowest of a paid plan is assumed: who keeps to it keeps to
    # any other.
    *_whole(Rate(10, 2), Rate(25, 25)),
    _endpoint("GET", "/clients", Rate(5, 100, MINUTE)),
    _SEARCH,
    _endpoint("GET", "/organizations", Rate(5, 50, MINUTE)),
    *_organizations(),
)
_ENTERPRISE: Profile = (_SEARCH, _endpoint("GET", "/organizations", Rate(10, 100, MINUTE)), *_organizations())

PROFILES: Mapping[str, Profile] = {
    "none": (),
    "free": (*_whole(Rate(2, 2), Rate(300, 300, MINUTE)), Limit(Rate(30, 30), _TOKEN, message=_OWN)),
    "essentials": _SELF_SERVICE,
    "professional": _SELF_SERVICE,
    "enterprise-nonprod": (*_whole(Rate(10, 2), Rate(100, 100)), *_ENTERPRISE),
    "enterprise-prod": (*_whole(Rate(50, 16), Rate(100, 100)), *_ENTERPRISE),
    "private-20": _private(20),
    "private-100": _private(50),
    "private-500": _private(250, 5),
    "private-1500": _private(750, 15),
    "private-3000": _private(1500, 30),
    "private-6000": _private(3000, 60),
    "private-10000": _private(5000, 100),
}


def profile(name: str) -> Profile:
    """Return the limits of a plan.

    Raises:
        ReconcilerError: no plan has that name.
    """
    if name not in PROFILES:
        hint = did_you_mean(name, PROFILES) or f"there are: {', '.join(PROFILES)}"
        raise ReconcilerError(f'no rate limits are known for "{name}"; {hint}')
    return PROFILES[name]
