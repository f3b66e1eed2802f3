"""How a deployed master or worker is told what to do.

Its settings.yaml has every setting with its default; an environment variable ``PSIM_<SETTING>``
comes before that, and a flag ``--<setting>`` before both. Any other flag is left for psim itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from psim import documents
from psim.errors import ConfigError, InputError

Settings = Mapping[str, str]


def read(path: Path, arguments: Sequence[str]) -> tuple[Settings, list[str]]:
    """The settings, and the arguments that are none. Raises ConfigError."""
    options = [
        click.Option(
            [f"--{name}"],
            type=str,
            default=str(default),
            envvar=f"PSIM_{name.upper()}",
            show_default=True,
            show_envvar=True,
        )
        for name, default in documents.read(path).items()
    ]
    command = click.Command(
        path.parent.name,
        params=list(options),
        help="Other arguments are handed to psim.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    try:
        context = command.make_context(f"{path.parent.name}/entry.py", list(arguments))
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        raise ConfigError(error.format_message()) from None
    return context.params, context.args


def start(path: Path, prepare: Callable[[Settings], list[str]]) -> NoReturn:
    """Turn this process into the ``psim`` command that the settings ask for: signals reach it, and
    its exit code is the container's. ``prepare`` makes the container ready and gives the command's
    arguments; it may raise InputError.
    """
    try:
        settings, rest = read(path, sys.argv[1:])
        line = ["psim", *prepare(settings), *rest]
    except InputError as error:
        click.echo(f"psim: {error}", err=True)
        sys.exit(error.exit_code)
    os.execvp(line[0], line)  # noqa: S606 - no shell is wanted
