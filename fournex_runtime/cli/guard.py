"""``fournex guard``: guard the command topics of a wiring, as ``ros2 run … guard`` does."""

from __future__ import annotations

from collections.abc import Sequence

from ..policy.registry import locate_bundle
from .parser import Parser
from .robot_arguments import (
    add_robot_options,
    check_wiring_file,
    namespace_words,
    parameter_path,
    split_ros,
)
from .ros_imports import needing_ros


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'guard',
        'Stand by a runtime, in a process of its own, until Ctrl-C. When the runtime is killed, '
        'publish the stop\ncommands of the wiring at the rate of the policy until somebody '
        'commands the robot again.\nFor robots that do not stop by themselves when commands end '
        '(fournex doctor: command_timeout).',
        (
            ('fournex guard wiring.yaml', 'beside fournex run wiring.yaml'),
            ('fournex guard wiring.yaml --namespace r1', 'topics under /r1'),
        ),
    )
    add_robot_options(found)
    return found


def ros_arguments(arguments: Sequence[str]) -> list[str]:
    """
    Return the command line of the guard's node.

    :param arguments: what follows the verb on the command line.
    :raises ConfigurationError: the wiring cannot be one, or the namespace is not one.
    """
    words, ros = split_ros(arguments)
    options = parser().parse(words)
    check_wiring_file(options.wiring)
    found = ['guard', '--ros-args', '-p', f'wiring:={parameter_path(options.wiring)}']
    if options.bundle is not None:
        found += ['-p', f'bundle:={parameter_path(locate_bundle(options.bundle))}']
    return [*found, *namespace_words(options), *ros]


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    words = ros_arguments(arguments)
    with needing_ros('guarding a robot'):
        from ..ros.guard import main as guard
    return guard(words)
