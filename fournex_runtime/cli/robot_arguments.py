"""The arguments that verbs on a live robot share: wiring, bundle, namespace, ROS arguments."""

from __future__ import annotations

import argparse
import pathlib
import re
from collections.abc import Sequence

from ..errors import ConfigurationError
from ..policy.bundle import CONTRACT_FILE
from .parser import Parser

_NAMESPACE = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')


def add_robot_options(parser: Parser, wiring: str | None = None) -> None:
    """
    Add the wiring file and what says which policy and which robot is meant.

    :param parser: the parser of the verb.
    :param wiring: ``'?'`` where the wiring file can be left out.
    """
    parser.add_argument(
        'wiring', metavar='WIRING', type=pathlib.Path, nargs=wiring, help='the wiring file'
    )
    parser.add_argument(
        '--bundle',
        type=pathlib.Path,
        metavar='BUNDLE',
        help='this policy instead of the one that the wiring names: a folder, or name@version',
    )
    parser.add_argument(
        '--namespace', metavar='NS', help='namespace of the node and of relative topics'
    )
    parser.add_argument(
        '--ros-args',
        action='store_true',
        help='what follows goes to ROS as it is: parameters, remappings, log levels',
    )


def split_ros(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words of the verb, and those after ``--ros-args``."""
    words = list(arguments)
    split = words.index('--ros-args') if '--ros-args' in words else len(words)
    return words[:split], words[split + 1 :]


def namespace_words(options: argparse.Namespace) -> list[str]:
    """
    Return the ROS arguments, without ``--ros-args``, that put a node into its namespace.

    :raises ConfigurationError: the namespace is not one.
    """
    if options.namespace is None:
        return []
    if not _NAMESPACE.fullmatch(options.namespace):
        raise ConfigurationError(
            f'--namespace {options.namespace!r}: expected names of letters, digits and _ '
            'between slashes, such as r1 or /site/r1'
        )
    return ['-r', f'__ns:=/{options.namespace.lstrip("/")}']


def check_wiring_file(path: pathlib.Path) -> None:
    """
    Refuse what is not a wiring file before anything of ROS starts.

    :raises ConfigurationError: it is a folder, or a policy's contract.
    """
    if path.is_dir():
        inside = path / 'wiring.yaml'
        hint = f'. Did you mean {inside}?' if inside.is_file() else ''
        raise ConfigurationError(f'{path}: a folder; expected a wiring file (.yaml){hint}')
    if path.name == CONTRACT_FILE:
        raise ConfigurationError(
            f"{path}: a policy's contract; expected the robot's wiring file, which names the "
            "policy's folder"
        )


def parameter_path(path: pathlib.Path) -> str:
    """
    Return a path as a parameter that means the same wherever it is read.

    :raises ConfigurationError: it would not pass through ROS arguments unharmed.
    """
    text = str(path.expanduser().absolute())
    if any(mark in text for mark in '\n\'"#{}[]'):
        raise ConfigurationError(
            f'{text}: a path with quotes, brackets, # or line ends cannot be given to ROS as a '
            'parameter; move it'
        )
    return text
