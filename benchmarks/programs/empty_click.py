"""A click program that does nothing: what --help costs at least."""

import click


@click.group()
def main() -> None:
    """Do nothing."""


@main.command()
def nothing() -> None:
    """Do nothing at all."""


if __name__ == "__main__":
    main()
