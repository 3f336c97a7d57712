import pytest

from reconciler.core.problems import Source
from reconciler.output.source_links import SourceLinks, address_at_remote

BLOB = "https://code.example/blob/abc"
CHECKOUT = SourceLinks("/repository", "/repository/eu", BLOB)


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("grants/a.yaml", "eu/grants/a.yaml"),
        ("./grants/../a.yaml", "eu/a.yaml"),
        ("../us/a.yaml", "us/a.yaml"),
        ("/repository/us/a.yaml", "us/a.yaml"),
    ],
    ids=["inside", "through a parent folder", "in another folder", "absolute"],
)
def test_a_file_is_found_in_the_repository_by_any_path(file: str, path: str) -> None:
    assert CHECKOUT.path_of(file) == path
    assert CHECKOUT.link_to(Source(file, 3, 1)) == f"{BLOB}/{path}#L3"


@pytest.mark.parametrize("file", ["../../repository-of-others/a.yaml", "/repository-of-others/a.yaml"])
def test_a_file_outside_the_repository_has_no_link(file: str) -> None:
    assert (CHECKOUT.path_of(file), CHECKOUT.link_to(Source(file, 3, 1))) == (file, "")


def test_an_escaped_name_has_no_link() -> None:
    assert CHECKOUT.link_to(Source(r"caf\\udce9.yaml", 1, 1)) == ""


def test_special_characters_of_a_link_are_percent_encoded() -> None:
    assert CHECKOUT.link_to(Source("a b#c?.yaml", 1, 1)) == f"{BLOB}/eu/a%20b%23c%3F.yaml#L1"


@pytest.mark.parametrize(
    ("address", "request_", "url"),
    [
        ("https://code.example/a/b/blob/abc", "#12", "https://code.example/a/b/pull/12"),
        ("https://code.example/a/b/-/blob/abc", "!12", "https://code.example/a/b/-/merge_requests/12"),
        ("https://code.example/a/b/-/blob/abc", "#12", ""),
        ("https://code.example/a/b/blob/abc", "!12", ""),
        ("https://code.example/a/b/blob/abc", "", ""),
        ("", "#12", ""),
    ],
)
def test_a_request_has_a_link_at_its_own_hosting_service(address: str, request_: str, url: str) -> None:
    assert SourceLinks(address=address).request_link(request_) == url


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b/blob/abc"),
        ("https://user:token@github.com/a/b", "https://github.com/a/b/blob/abc"),
        ("git@github.com:a/b.git", "https://github.com/a/b/blob/abc"),
        ("ssh://git@gitlab.example.com:2222/group/sub/b.git", "https://gitlab.example.com/group/sub/b/-/blob/abc"),
        ("https://code.example.com/a/b.git", ""),
        ("https://evil.example/github.com/a/b", ""),
        ("https://notgithub.com/a/b", ""),
        ("/srv/github.com/a", ""),
        ("javascript:github.com/a", ""),
        ("", ""),
    ],
)
def test_a_remote_at_github_or_gitlab_has_an_address(remote: str, address: str) -> None:
    assert address_at_remote(remote, "abc") == address
