"""How far the robot is from where its policy begins."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..safety.urdf import Joint
from .finding import Finding, failure, not_checked, passed, warning
from .measured import Readings, joint_readings
from .survey import Case

DEFAULT_TOLERANCE = 0.2
"""Greatest distance of a joint where the wiring gives none, in the joint's unit."""


def check_start_pose(
    case: Case, readings: Mapping[str, Readings], urdf: Mapping[str, Joint], told: set[str]
) -> list[Finding]:
    """
    Compare the measured pose with the start pose of the contract, joint by joint.

    :param told: terms whose values are known to be in another unit.
    """
    pose = case.contract.start_pose
    if not pose:
        why = 'the contract has no start_pose'
        return [not_checked('start_pose', 'start', why)]
    measured: dict[str, float] = {}
    for one in joint_readings(readings, 'joint_position'):
        if one.subject in told:
            why = f'{one.subject} is in another unit'
            return [not_checked('start_pose', 'start', why)]
        measured.update(zip(one.term.joints, one.values[-1]))
    missing = [joint for joint in pose if joint not in measured]
    found = []
    if missing:
        why = f'no joint_position is read of {", ".join(missing)}'
        found.append(not_checked('start_pose', 'start', why))
    there = [joint for joint in pose if joint in measured]
    return [*found, _judged(case, there, measured, urdf)] if there else found


def _judged(
    case: Case, joints: list[str], measured: Mapping[str, float], urdf: Mapping[str, Joint]
) -> Finding:
    pose, given = case.contract.start_pose, case.wiring.start_tolerance
    tolerance = {joint: given.get(joint, DEFAULT_TOLERANCE) for joint in joints}
    distance = {}
    for joint in joints:
        apart = measured[joint] - pose[joint]
        if joint in urdf and urdf[joint].continuous:
            apart = math.remainder(apart, 2.0 * math.pi)
        distance[joint] = abs(apart)
    worst = max(joints, key=lambda joint: distance[joint] / tolerance[joint])
    words = (
        f'{worst} is at {measured[worst]:.3g}, the policy begins at {pose[worst]:.3g}: '
        f'{distance[worst]:.2g} apart, tolerance {tolerance[worst]:g}'
    )
    if not given:
        words = f'{words} (the default)'
    if distance[worst] <= tolerance[worst]:
        return passed('start_pose', 'start', words)
    if given:
        return failure('start_pose', 'start', words, 'Move the robot to the start pose')
    mend = 'Move the robot to the start pose; write start: {tolerance: …} to make it a rule'
    return warning('start_pose', 'start', words, mend)
