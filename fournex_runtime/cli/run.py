"""``fournex run``: host the sessions of a wiring file, as ``ros2 run fournex_runtime runtime``."""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Sequence

from ..errors import ConfigurationError, FournexError, MissingDependencyError
from ..policy.bundle import CONTRACT_FILE
from ..policy.registry import locate_bundle
from .parser import REFUSED, Parser

_NAMESPACE = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'run',
        'Drive a robot: host the sessions of a wiring file until Ctrl-C, which publishes their '
        'stop commands.\nEverything is checked against the live robot before the first action.',
        (
            ('fournex run wiring.yaml', ''),
            ('fournex run wiring.yaml --record runs', 'each run into a bag of its own there'),
            ('fournex run wiring.yaml --namespace r1', 'topics under /r1'),
            ('fournex run wiring.yaml --ros-args -p use_sim_time:=true', 'anything else of ROS'),
        ),
    )
    found.add_argument('wiring', metavar='WIRING', type=pathlib.Path, help='the wiring file')
    found.add_argument(
        '--bundle',
        type=pathlib.Path,
        metavar='BUNDLE',
        help='this policy instead of the one that the wiring names: a folder, or name@version',
    )
    found.add_argument(
        '--record',
        type=pathlib.Path,
        metavar='DIR',
        help='record into this folder, a new bag for each run',
    )
    found.add_argument(
        '--namespace', metavar='NS', help='namespace of the node and of relative topics'
    )
    found.add_argument(
        '--ros-args',
        action='store_true',
        help='what follows goes to ROS as it is: parameters, remappings, log levels',
    )
    return found


def ros_arguments(arguments: Sequence[str]) -> list[str]:
    """
    Return the command line of the runtime node.

    :param arguments: what follows the verb on the command line.
    :raises ConfigurationError: the namespace is not one.
    """
    words = list(arguments)
    split = words.index('--ros-args') if '--ros-args' in words else len(words)
    options = parser().parse(words[:split])
    _check_file(options.wiring)
    found = ['runtime', '--ros-args', '-p', f'wiring:={_absolute(options.wiring)}']
    if options.bundle is not None:
        found += ['-p', f'bundle:={_absolute(locate_bundle(options.bundle))}']
    if options.record is not None:
        found += ['-p', f'record:={_absolute(options.record)}']
    if options.namespace is not None:
        if not _NAMESPACE.fullmatch(options.namespace):
            raise ConfigurationError(
                f'--namespace {options.namespace!r}: expected names of letters, digits and _ '
                'between slashes, such as r1 or /site/r1'
            )
        found += ['-r', f'__ns:=/{options.namespace.lstrip("/")}']
    return found + words[split + 1 :]


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    try:
        words = ros_arguments(arguments)
        try:
            from ..ros.runtime import main as runtime
        except ImportError as problem:
            if (problem.name or '').split('.')[0] == 'fournex_runtime':
                raise
            raise MissingDependencyError(
                str(problem.name),
                'driving a robot',
                'source a ROS 2 environment and the workspace with fournex_msgs '
                '(. install/setup.bash)',
            ) from problem
        return runtime(words)
    except FournexError as problem:
        print(f'{problem}\nNothing was started.', file=sys.stderr)
        return REFUSED


def _check_file(path: pathlib.Path) -> None:
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


def _absolute(path: pathlib.Path) -> str:
    """
    Return the path so that it means the same wherever it is read.

    :raises ConfigurationError: it would not pass through ROS arguments unharmed.
    """
    text = str(path.expanduser().absolute())
    if any(mark in text for mark in '\n\'"#{}[]'):
        raise ConfigurationError(
            f'{text}: a path with quotes, brackets, # or line ends cannot be given to ROS as a '
            'parameter; move it'
        )
    return text
