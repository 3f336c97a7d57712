"""A click program without function. Its --help takes the minimum time of any click program."""

import click


@click.group()
def main() -> None:
    """Do nothing."""


@main.command()
def nothing() -> None:
    """Do nothing at all."""


if __name__ == "__main__":
    main()
