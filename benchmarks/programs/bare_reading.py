"""The minimum work of a no-op in Python: parse the files with PyYAML's C parser, and read every page with httpx.

    AUTH0_DOMAIN=… AUTH0_CLIENT_ID=… AUTH0_CLIENT_SECRET=… AUTH0_AUDIENCE=… python bare_reading.py FOLDER [files]

With the argument `files`, the program parses the files only. The program neither compares nor stores grants.
"""

import os
import sys
from pathlib import Path

import yaml

LISTINGS = ("client-grants?take=100", "clients?fields=client_id,name,is_first_party&take=100")


def main() -> None:
    """Parse the files, and read the pages unless the argument is `files`."""
    parse(Path(sys.argv[1]))
    if sys.argv[2:] != ["files"]:
        read_pages()


def parse(folder: Path) -> None:
    """Iterate over the YAML events of every file."""
    for file in sorted(folder.glob("*.yaml")):
        for _ in yaml.parse(file.read_bytes(), Loader=yaml.CSafeLoader):
            pass


def read_pages() -> None:
    """Read every page that a plan reads."""
    import httpx  # noqa: PLC0415 - with `files`, the import must not be measured

    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["AUTH0_CLIENT_ID"],
        "client_secret": os.environ["AUTH0_CLIENT_SECRET"],
        "audience": os.environ["AUTH0_AUDIENCE"],
    }
    with httpx.Client(base_url=f"https://{os.environ['AUTH0_DOMAIN']}") as http:
        http.headers["Authorization"] = f"Bearer {http.post('/oauth/token', data=form).json()['access_token']}"
        http.get("/api/v2/resource-servers?page=0&per_page=100&include_totals=true").json()
        for listing in LISTINGS:
            page = http.get(f"/api/v2/{listing}").json()
            while "next" in page:
                page = http.get(f"/api/v2/{listing}&from={page['next']}").json()


if __name__ == "__main__":
    main()
