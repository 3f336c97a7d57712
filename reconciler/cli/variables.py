"""The environment variables that set options."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import click

PREFIX = "RECONCILER"
MIN_SIMILARITY = 0.85
"""An environment variable that is at least this similar to the variable of a global option is a typo.

A lower value would refuse variables that other programs of a pipeline use, such as RECONCILER_COMMIT.
"""
UNSAFE_OPTION_PREFIXES = ("--prune", "--yes", "-y", "--max-", "--allow-", "--skip-missing")
"""The prefixes of the options that an error message must not suggest after a typo."""


def bind_environment_variables(command: click.Command, *words: str) -> None:
    """Define the names of the environment variables that set each option of a command and of its subcommands.

    Each long spelling of an option has its own variable. If the attribute `envvar` of an option is a list, do not
    change the option. If the attribute `envvar` of an option is a tuple, insert the new environment variables at the
    start of the tuple. `words` are the parts of the command name, for example sandbox and serve.
    """
    for parameter in command.params:
        if isinstance(parameter, click.Option) and (parameter.envvar is None or isinstance(parameter.envvar, tuple)):
            _bind_spellings(parameter, words)
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            bind_environment_variables(subcommand, *words, name)


def _bind_spellings(option: click.Option, words: Sequence[str]) -> None:
    own = [environment_variable(*words, name) for name in option.opts if name.startswith("--")]
    negated = [environment_variable(*words, name) for name in option.secondary_opts if name.startswith("--")]
    bind(option, own, negated)


def bind(option: click.Option, own: Sequence[str], negated: Sequence[str] = ()) -> None:
    """Make the environment variables `own` set an option, and make the variables `negated` set the opposite value."""
    option.envvar = [*own, *(option.envvar or ())]
    option.resolve_envvar_value = partial(  # type: ignore[method-assign]
        _value_of_spellings, option.resolve_envvar_value, own, negated
    )


def _value_of_spellings(
    resolve: Callable[[click.Context], str | None], own: Sequence[str], negated: Sequence[str], ctx: click.Context
) -> str | None:
    """Return the value of an option from its environment variables `own` and `negated`.

    The variables in `negated` set the opposite value of a flag, as --no-admin does. Raises click.UsageError if a
    variable is empty, or if several variables are set.
    """
    names = [name for name in (*own, *negated) if name in os.environ]
    empty = next((name for name in names if not os.environ[name].strip()), None)
    if empty and not ctx.resilient_parsing:
        raise click.UsageError(f"The environment variable {empty} is empty. Set a value, or unset the variable.", ctx)
    if len(names) > 1 and not ctx.resilient_parsing:
        raise click.UsageError(f"{' and '.join(names)} set the same option; unset all but one of them", ctx)
    if not names or names[0] in own:
        return resolve(ctx)
    with suppress(click.BadParameter):  # click later reports a value that is not a boolean
        return str(not click.BOOL.convert(os.environ[names[0]], None, ctx))
    return os.environ[names[0]]


def environment_variable(*words: str) -> str:
    """Return the environment variable of an option, such as RECONCILER_PLAN_ONLY_BRANCH for `plan --only-branch`."""
    return "_".join([PREFIX, *words]).replace("--", "").replace("-", "_").upper()


def refuse_unknown_variables(command: click.Command, name: str, context: click.Context) -> None:
    """Refuse environment variables that look like the variable of an option, but set no option.

    A typo in such a variable could otherwise disable a guard or select another tenant. `name` is the name of `command`.
    All variables that start with the name of the command belong to reconciler, for example RECONCILER_PLAN_PRUNE. Other
    programs may use other variables, so a variable without the name of the command is refused only if it is similar to
    the variable of a global option.

    Raises click.UsageError.
    """
    shared = dict(_variables(context.command, ()))
    known = {**shared, **dict(_variables(command, (name,)))}
    own_start, start = f"{environment_variable(name)}_", f"{PREFIX}_"
    by_short_name = {variable.removeprefix(own_start).removeprefix(start): variable for variable in known}
    unsafe = {variable for variable, option in known.items() if option.startswith(UNSAFE_OPTION_PREFIXES)}
    for variable in sorted(each for each in os.environ if each not in known):
        found = variable.upper()
        short = found.removeprefix(own_start).removeprefix(start)
        if found.startswith(own_start) or (found.startswith(start) and _is_similar(short, shared)):
            what = f"The environment variable {variable} sets no option of `reconciler {name}`."
            raise click.UsageError(f"{what} {_variable_advice(short, by_short_name, unsafe)}", context)


def _variables(command: click.Command, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each environment variable of a command and its subcommands, with the option that the variable sets."""
    for option in command.params:
        if isinstance(option, click.Option):
            names = option.envvar if isinstance(option.envvar, list) else []
            negated = [environment_variable(*words, each) for each in option.secondary_opts if each.startswith("--")]
            yield from ((variable, option.opts[-1]) for variable in (*names, *negated))
    if isinstance(command, click.Group) and words:  # the subcommands of the top-level command are not loaded
        for name, subcommand in command.commands.items():
            yield from _variables(subcommand, (*words, name))


def _is_similar(short: str, known: Iterable[str]) -> bool:
    from reconciler.core.suggest import similar_words

    return bool(similar_words(short, [each.removeprefix(f"{PREFIX}_") for each in known], MIN_SIMILARITY))


def _variable_advice(short: str, known: Mapping[str, str], unsafe: set[str]) -> str:
    """Return advice that names similar variables, unless one of them sets an unsafe option.

    `short` is the variable without its prefix. `known` maps each known variable without its prefix to its full name.
    """
    from reconciler.core.suggest import similar_words

    similar = [known[each] for each in similar_words(short, known)]
    if not similar or not unsafe.isdisjoint(similar):
        return "Correct its name, or unset the variable."
    return f"Did you mean {' or '.join(similar)}?"
