"""A click program without a function. Its `--help` needs the minimum time of a click program."""

import click


@click.group()
def main() -> None:
    """Do nothing."""


@main.command()
def nothing() -> None:
    """Do nothing at all."""


if __name__ == "__main__":
    main()
