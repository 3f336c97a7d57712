import pytest

from reconciler.errors import ReconcilerError
from reconciler.http.proxy import Proxy, choose_proxy, httpx_proxy, proxy_for, proxy_notes, proxy_suffix


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("proxies", "proxy", "address"),
    [
        ({}, None, None),
        ({"http": "http://p:1"}, None, None),
        ({"https": "", "all": ""}, None, None),
        ({"https": "http://p:1", "all": "http://q"}, Proxy("HTTPS_PROXY", "http", "p", 1), "http://p:1"),
        ({"all": "socks5://p"}, Proxy("ALL_PROXY", "socks5", "p", None), "socks5://p"),
        ({"https": "p:3128"}, Proxy("HTTPS_PROXY", "http", "p", 3128), "http://p:3128"),
        ({"https": "http://user:secret@p:1"}, Proxy("HTTPS_PROXY", "http", "p", 1), "http://p:1"),
        ({"https": "http://p:port"}, Proxy("HTTPS_PROXY", "", "", None), "://"),
    ],
    ids=["none", "other-scheme", "empty", "own-first", "all", "bare", "password", "no-port"],
)
def test_the_proxy_is_chosen_from_the_environment(
    proxies: dict[str, str], proxy: Proxy | None, address: str | None
) -> None:
    chosen = choose_proxy(proxies, "https", {})

    assert chosen == proxy
    assert (chosen and chosen.address) == address


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("https://x.auth0.com", True),
        ("https://inside.example", False),
        ("http://127.0.0.1:1", False),
        ("http://localhost", False),
        ("http://[::1]:1", False),
        ("https://192.0.2.1", True),
    ],
)
def test_loopback_hosts_and_hosts_in_no_proxy_are_reached_directly(
    *, monkeypatch: pytest.MonkeyPatch, url: str, proxied: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", "inside.example")

    assert (proxy_for(url) is not None) is proxied


def test_the_message_contains_the_variable_as_it_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://upper:1")
    assert proxy_suffix("https://x.auth0.com") == " (through the proxy upper:1 from HTTPS_PROXY)"

    monkeypatch.setenv("https_proxy", "http://user:secret@[2001:db8::1]:2")
    assert proxy_suffix("https://x.auth0.com") == " (through the proxy [2001:db8::1]:2 from https_proxy)"


def test_a_direct_connection_adds_nothing_to_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://upper:1")

    assert proxy_suffix("https://localhost:1") == ""


KUBERNETES = "10.0.0.0/8,fd02::/112,.svc"


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_bypassed"),
    [
        (KUBERNETES, "10.1.2.3", True),
        (KUBERNETES, "11.1.2.3", False),
        (KUBERNETES, "[fd02::1]", True),
        (KUBERNETES, "[fd03::1]", False),
        (KUBERNETES, "auth.default.svc", True),
        (KUBERNETES, "x.auth0.com", False),
        ("10.0.0.1/8", "10.1.2.3", True),
        ("10.0.0.0/99, x.auth0.com", "x.auth0.com", True),
        ("[::x, http://, x:y:z, a/b x.auth0.com", "x.auth0.com", True),
        (" ,, x.auth0.com ,", "x.auth0.com", True),
        ("auth0.com", "x.auth0.com", True),
        ("auth0.com", "notauth0.com", False),
        (".auth0.com", "x.auth0.com", True),
        ("*.auth0.com", "x.auth0.com", True),
        ("AUTH0.com.", "x.Auth0.com.", True),
        ("x.auth0.com:443", "x.auth0.com", True),
        ("x.auth0.com:443", "x.auth0.com:8443", False),
        ("192.0.2.1", "192.0.2.1:8443", True),
        ("192.0.2.1:8443", "192.0.2.1:8443", True),
        ("192.0.2.1:8443", "192.0.2.1", False),
        ("[2001:db8::1]:443", "[2001:db8::1]", True),
        ("[2001:db8::1]", "[2001:DB8:0::1]", True),
        ("2.1", "192.0.2.1", False),
        ("https://x.auth0.com", "x.auth0.com", True),
        ("http://x.auth0.com", "x.auth0.com", False),
        ("all://x.auth0.com", "x.auth0.com", True),
        ("*", "x.auth0.com", True),
        ("", "x.auth0.com", False),
    ],
)
def test_no_proxy_matches_hosts_addresses_and_networks(
    *, monkeypatch: pytest.MonkeyPatch, no_proxy: str, host: str, is_bypassed: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert (proxy_for(f"https://{host}") is None) is is_bypassed
    assert (httpx_proxy(f"https://{host}") is None) is is_bypassed


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.0/99", "fd02::/129", "10.*", "300.1.1.1", "[::x", "x:y:z", "a/b", "ftp://x", "http://", "x:port"],
)
def test_an_invalid_entry_of_no_proxy_results_in_a_note(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("NO_PROXY", f"x.example,{entry},.svc")
    assert proxy_notes("https://x.auth0.com") == ()  # NO_PROXY has no effect without a proxy

    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    assert proxy_notes("https://localhost") == ()
    assert proxy_notes("https://x.auth0.com") == (
        f'NO_PROXY: ignored "{entry}": not a host name, an address or a network',
    )

    monkeypatch.setenv("no_proxy", KUBERNETES)
    assert proxy_notes("https://x.auth0.com") == ()


def test_many_invalid_entries_of_no_proxy_result_in_a_short_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://p:1")
    monkeypatch.setenv("no_proxy", ",".join(f"a/{number}" for number in range(1000)))

    (note,) = proxy_notes("https://x.auth0.com")

    assert note.startswith('no_proxy: ignored "a/0", ')
    assert note.endswith('"a/4" and 995 more: not a host name, an address or a network')


@pytest.mark.parametrize(
    "proxy", ["foo://user:canary@p", "http://", "http://user:canary@p:port", "http://user:canary@["]
)
def test_the_error_for_an_invalid_proxy_does_not_contain_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(ReconcilerError, match="HTTPS_PROXY is not a valid proxy address") as raised:
        httpx_proxy("https://x.auth0.com")

    assert "canary" not in str(raised.value)


def test_the_password_of_the_proxy_is_passed_to_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "user:canary@p:1")
    proxy = httpx_proxy("https://x.auth0.com")

    assert proxy is not None
    assert (proxy.url.host, proxy.url.port, proxy.raw_auth) == ("p", 1, (b"user", b"canary"))
    assert "canary" not in repr(proxy_for("https://x.auth0.com"))
