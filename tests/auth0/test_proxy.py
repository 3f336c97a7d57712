import pytest

from reconciler.auth0.proxy import Proxy, by_proxy, choose_proxy, proxy_for


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
def test_the_environment_names_the_proxy(proxies: dict[str, str], proxy: Proxy | None, address: str | None) -> None:
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
def test_the_world_outside_is_reached_by_it(*, monkeypatch: pytest.MonkeyPatch, url: str, proxied: bool) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", "inside.example")

    assert (proxy_for(url) is not None) is proxied


def test_the_variable_is_named_as_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://upper:1")
    assert by_proxy("https://x.auth0.com") == " (through the proxy upper:1, which HTTPS_PROXY names)"

    monkeypatch.setenv("https_proxy", "http://user:secret@[2001:db8::1]:2")
    assert by_proxy("https://x.auth0.com") == " (through the proxy [2001:db8::1]:2, which https_proxy names)"


def test_a_direct_connection_has_no_proxy_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://upper:1")

    assert by_proxy("https://localhost:1") == ""
