"""``fournex doctor``: look at the live robot for a few seconds and name what does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..doctor.finding import Level
from ..policy.registry import locate_bundle
from ..session.wiring import Wiring, load_wiring
from .parser import Parser, positive
from .robot_arguments import add_robot_options, check_wiring_file, namespace_words, split_ros
from .ros_imports import needing_ros
from .show_findings import finding_data, show_findings

if TYPE_CHECKING:
    from ..ros.doctor import Examination

FAILED = 1


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'doctor',
        'Look at the live robot for a few seconds, publish nothing, and name what does not fit '
        'the policy: topics,\nrates, clocks, joint names and order, units, frames, values never '
        'seen in training, start pose, controllers,\nlimits, time for inference. Exit status: 0 '
        'no failure, 1 a failure, 2 bad input.',
        (
            ('fournex doctor wiring.yaml', 'three seconds'),
            ('fournex doctor wiring.yaml -v', 'what passed, too, with what was measured'),
            ('fournex doctor wiring.yaml --bundle new/', 'would this policy fit the robot?'),
            ('fournex doctor wiring.yaml --json', 'for programs'),
        ),
    )
    add_robot_options(found)
    found.add_argument(
        '--seconds',
        type=positive,
        default=3.0,
        metavar='S',
        help='for how long to look (default 3)',
    )
    found.add_argument('--json', action='store_true', help='print JSON instead of a table')
    found.add_argument('-v', '--verbose', action='store_true', help='list what passed, too')
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    words, ros = split_ros(arguments)
    options = parser().parse(words)
    check_wiring_file(options.wiring)
    bundle = None if options.bundle is None else locate_bundle(options.bundle)
    wiring = load_wiring(options.wiring.expanduser(), bundle)
    with needing_ros('looking at a robot'):
        from ..ros.doctor import examine_robot
    arguments = ['doctor', '--ros-args', *namespace_words(options), *ros]
    examined = examine_robot(wiring, options.seconds, arguments)
    if options.json:
        print(json.dumps(_data(wiring, examined), indent=1, ensure_ascii=False))
    else:
        print('\n\n'.join(_shown(wiring, examined, options.verbose)))
    failed = any(one.level is Level.FAILURE for one in examined.findings)
    return FAILED if failed else 0


def _shown(wiring: Wiring, examined: Examination, verbose: bool) -> Iterator[str]:
    for one in examined.sessions:
        title = f'session {one.session}: {one.policy}  ×  robot {wiring.robot}'
        yield show_findings(title, one.findings, verbose)
    if examined.together:
        title = f'all {len(examined.sessions)} sessions  ×  robot {wiring.robot}'
        yield show_findings(title, examined.together, verbose)


def _data(wiring: Wiring, examined: Examination) -> dict[str, Any]:
    return {
        'robot': wiring.robot,
        'wiring': str(wiring.file),
        'sessions': [
            {
                'session': one.session,
                'policy': one.policy,
                'bundle_sha256': one.bundle_sha256,
                'counts': {
                    level.value: sum(f.level is level for f in one.findings) for level in Level
                },
                'findings': [finding_data(found) for found in one.findings],
            }
            for one in examined.sessions
        ],
        'together': [finding_data(found) for found in examined.together],
    }
