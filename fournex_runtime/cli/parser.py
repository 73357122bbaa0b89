"""Command-line parsing as all verbs do it: plain help, whole option names, nearest-name hints."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import NoReturn

from ..configuration import nearest, parse_number

REFUSED = 2
"""Exit status: bad input; nothing was done."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with room for option names, as wide as the examples below it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=96)


class Parser(argparse.ArgumentParser):
    """
    The parser of one verb.

    :param verb: the verb, for usage lines.
    :param description: what it does.
    :param examples: command lines with what they do, printed below the options.
    """

    def __init__(
        self, verb: str, description: str, examples: Sequence[tuple[str, str]] = ()
    ) -> None:
        width = max((len(command) for command, _ in examples), default=0)
        lines = [f'  {command:<{width}}  {what}'.rstrip() for command, what in examples]
        super().__init__(
            prog=f'fournex {verb}',
            description=description,
            epilog='\n'.join(['examples:', *lines]) if lines else None,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """
        Return the options; exits with status 2 when something is wrong with them.

        :param arguments: what follows the verb on the command line.
        """
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            self.error(f'unknown argument {unknown[0]!r}.' + self._hint(unknown[0]))
        return options

    def _hint(self, argument: str) -> str:
        if not argument.startswith('-'):
            return ' It takes one path at a time.' if 'PATH' in self.format_usage() else ''
        return nearest(argument.split('=')[0], sorted(self._option_string_actions))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how to see what there is; exit status 2."""
        self.exit(REFUSED, f'{self.prog}: {message}\nSee: {self.prog} --help\n')


def whole_number(least: int) -> Callable[[str], int]:
    """Return a converter for ``type=``: a whole number of at least ``least``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f'expected a whole number of at least {least}, found {text!r}'
            )
        return value

    return convert


def share(text: str) -> float:
    """Return a number from 0 to 1, for ``type=``; raises ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f'expected a share from 0 to 1, found {text!r}')
    return value


def positive(text: str) -> float:
    """Return a finite number above 0, for ``type=``; ArgumentTypeError for anything else."""
    value = _number(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f'expected a number above 0, found {text!r}')
    return value


def not_negative(text: str) -> float:
    """Return a finite number of at least 0, for ``type=``; ArgumentTypeError for anything else."""
    value = _number(text)
    if value < 0.0:
        raise argparse.ArgumentTypeError(f'expected a number of at least 0, found {text!r}')
    return value


def fraction(text: str) -> float:
    """Return a number from 0 to 1, for ``type=``; ArgumentTypeError for anything else."""
    value = _number(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f'expected a number from 0 to 1, found {text!r}')
    return value


def _number(text: str) -> float:
    try:
        return parse_number(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
