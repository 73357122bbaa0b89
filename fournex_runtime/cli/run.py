"""``fournex run``: host the sessions of a wiring file, as ``ros2 run fournex_runtime runtime``."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from ..doctor.finding import check_overrides
from ..errors import ConfigurationError, FournexError
from ..policy.registry import locate_bundle
from .parser import REFUSED, Parser, whole_number
from .robot_arguments import (
    add_robot_options,
    check_wiring_file,
    namespace_words,
    parameter_path,
    split_ros,
)
from .ros_imports import needing_ros
from .same_again import same_again


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'run',
        'Drive a robot: host the sessions of a wiring file until Ctrl-C, which publishes their '
        'stop commands.\nEverything is checked against the live robot before the first action.',
        (
            ('fournex run wiring.yaml', ''),
            ('fournex run wiring.yaml --record runs', 'each run into a bag of its own there'),
            ('fournex run --like runs/rover-0001', 'the configuration of that recording again'),
            ('fournex run wiring.yaml --namespace r1', 'topics under /r1'),
            ('fournex run wiring.yaml --ros-args -p use_sim_time:=true', 'anything else of ROS'),
        ),
    )
    add_robot_options(found, wiring='?')
    found.add_argument(
        '--like',
        type=pathlib.Path,
        metavar='BAG',
        help='instead of a wiring: start what this recording was made with, with its wiring, '
        'policies, seeds, names and parameters; says what differs on this machine',
    )
    found.add_argument(
        '--seed',
        type=whole_number(1),
        metavar='N',
        help='of the first episode; the next have the next. For policies that sample; left out, '
        'each episode draws one',
    )
    found.add_argument(
        '--record',
        type=pathlib.Path,
        metavar='DIR',
        help='record into this folder, a new bag for each run',
    )
    found.add_argument(
        '--override',
        action='append',
        default=[],
        metavar='CHECK',
        help="begin in spite of this check's failure (fournex doctor), such as start_pose; "
        'recorded',
    )
    return found


def ros_arguments(arguments: Sequence[str]) -> list[str]:
    """
    Return the command line of the runtime node.

    :param arguments: what follows the verb on the command line.
    :raises ConfigurationError: the namespace is not one, or an override cannot be.
    """
    words, ros = split_ros(arguments)
    options = parser().parse(words)
    if (options.wiring is None) == (options.like is None):
        raise ConfigurationError('give either a wiring file or --like BAG')
    found = ['runtime', '--ros-args']
    if options.like is not None:
        if options.bundle is not None:
            raise ConfigurationError('--like takes the policies of the recording, not --bundle')
        found += same_again(options.like, renamed=options.namespace is not None)
    else:
        check_wiring_file(options.wiring)
        found += ['-p', f'wiring:={parameter_path(options.wiring)}']
    if options.seed is not None:
        found += ['-p', f'seed:={options.seed}']
    if options.bundle is not None:
        found += ['-p', f'bundle:={parameter_path(locate_bundle(options.bundle))}']
    if options.record is not None:
        found += ['-p', f'record:={parameter_path(options.record)}']
    if options.override:
        names = ', '.join(f"'{name}'" for name in sorted(check_overrides(options.override)))
        found += ['-p', f'override_checks:=[{names}]']
    return [*found, *namespace_words(options), *ros]


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    try:
        words = ros_arguments(arguments)
        with needing_ros('driving a robot'):
            from ..ros.runtime import main as runtime

            return runtime(words)
    except FournexError as problem:
        print(f'{problem}\nNothing was started.', file=sys.stderr)
        return REFUSED
