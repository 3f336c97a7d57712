"""Run `python -m auth0_sandbox`: serve a tenant, or reset it to its seed."""

import argparse
import sys
from pathlib import Path

from auth0_sandbox.errors import FileError, SandboxError
from auth0_sandbox.faults.plan import NO_FAULTS, read_faults
from auth0_sandbox.server.serve import serve
from auth0_sandbox.settings import settings_from
from auth0_sandbox.tenant import open_sandbox, reset

DOMAIN = "sandbox.localhost"


def main(arguments: list[str] | None = None) -> int:
    """Run the command in `arguments` and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "reset":
            reset(options.database, options.seed, DOMAIN)
        else:
            _serve(options)
    except FileError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 1
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(options: argparse.Namespace) -> None:
    faults = read_faults(options.faults) if options.faults else NO_FAULTS
    own = [] if options.custom_domain is None else [f"custom_domain={options.custom_domain}"]
    settings = settings_from([*options.set, *own])
    with open_sandbox(options.database, options.seed, DOMAIN, settings=settings, faults=faults, with_admin=True) as one:
        if one.remark:
            print(f"note: {one.remark}", file=sys.stderr)
        serve(one, port=options.port, on_ready=lambda address: print(f"AUTH0_DOMAIN={address}", flush=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m auth0_sandbox", description="A local Auth0 tenant.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("serve", "Serve the tenant on 127.0.0.1."), ("reset", "Reset the tenant to its seed.")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--database", type=Path, default=Path("sandbox.db"), help="the SQLite file of the tenant")
        command.add_argument("--seed", type=Path, help="the YAML file with the initial content")
        if name == "serve":
            command.add_argument("--port", type=int, default=0, help="the port; 0 selects a free port")
            command.add_argument("--faults", type=Path, help="inject the faults in this file (YAML or JSON)")
            command.add_argument("--custom-domain", metavar="HOST", help="also accept requests at this custom domain")
            command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    return parser


if __name__ == "__main__":
    sys.exit(main())
