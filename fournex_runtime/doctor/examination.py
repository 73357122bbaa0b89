"""All checks of a session, in one order, as a function of what was seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from ..errors import MessageError
from ..safety.urdf import Joint, read_urdf
from .command_timeout import check_command_timeouts
from .commands import check_commands
from .controllers import check_controllers
from .finding import CHECKS, Finding, Level
from .gravity import check_gravity
from .inference import check_inference
from .joints import check_joint_names, check_joint_order
from .measured import Readings, read_terms
from .ranges import check_clips, check_ranges, check_unchanged
from .rates import check_rates
from .readable import check_readable
from .robot_limits import check_limits
from .stamps import check_lockstep, check_stamps
from .start_pose import check_start_pose
from .survey import Case, Survey
from .tick_time import check_tick
from .topics import check_topics
from .training import training_statistics
from .units import check_units, check_velocity

_ORDER = {name: place for place, name in enumerate(CHECKS)}


def examine(case: Case, survey: Survey) -> list[Finding]:
    """
    Make every check of a session, and of what its second policies see.

    :param case: the session.
    :param survey: what was seen.
    :returns: what was found, in the order of ``CHECKS``.
    """
    found = [*examine_graph(case, survey), *examine_messages(case, survey)]
    for second in case.wiring.fallbacks:
        own = Case(second.bundle, second.wiring, case.messages, case.frame_prefix)
        seen = _examine_inputs(own, survey, read_terms(own, survey), _joints(own, survey)[0])
        found += [
            dataclasses.replace(one, subject=f'fallback.{second.name}.{one.subject}')
            for one in seen
            if one not in found  # an input that both share
        ]
    return sorted(found, key=lambda one: _ORDER[one.check])


def examine_graph(case: Case, survey: Survey) -> list[Finding]:
    """Make the checks that take the graph alone, before anything is subscribed to."""
    return [*check_topics(case, survey), *check_commands(case, survey)]


def examine_messages(case: Case, survey: Survey) -> list[Finding]:
    """
    Make the checks that take messages.

    :param survey: what was seen; ``duration_ns`` 0 for the first message of each topic only,
        which leaves out what takes several.
    """
    readings, (urdf, problem) = read_terms(case, survey), _joints(case, survey)
    found = _examine_inputs(case, survey, readings, urdf)
    found += check_start_pose(case, readings, urdf, _misread(found))
    found += check_limits(case, urdf, problem)
    found += check_controllers(case, survey)
    if survey.duration_ns:
        found += check_lockstep(case, survey)
        found += check_command_timeouts(case, survey)
        found += check_inference(case, survey)
        found += check_tick(case, survey)
    return found


def _examine_inputs(
    case: Case, survey: Survey, readings: Mapping[str, Readings], urdf: Mapping[str, Joint]
) -> list[Finding]:
    """Make the checks of what a policy sees."""
    found = [*check_rates(case, survey), *check_stamps(case, survey)]
    found += check_joint_names(case, survey)
    found += check_readable(case, survey, readings, found)
    found += check_gravity(case, survey)
    training = training_statistics(case)
    found += check_units(case, readings, training, urdf)
    misread = _misread(found)
    found += check_ranges(readings, training, misread)
    if survey.duration_ns:
        found += check_joint_order(case, survey, readings)
        found += check_velocity(readings)
        found += check_clips(readings, misread)
        found += check_unchanged(case, survey)
    return found


def _misread(found: Sequence[Finding]) -> set[str]:
    """Return the terms whose values are in another unit than the contract's."""
    return {one.subject for one in found if one.check == 'units' and one.level is Level.FAILURE}


def _joints(case: Case, survey: Survey) -> tuple[dict[str, Joint], str]:
    """Return the joints of the robot by the contract's names, and why there are none."""
    if not survey.robot_description:
        return {}, ''
    try:
        joints = read_urdf(survey.robot_description)
    except MessageError as problem:
        return {}, str(problem)
    robot = case.wiring.joint_names.robot
    # A joint of the robot may have the contract's name of another one: it is not that one.
    own = {name: joint for name, joint in joints.items() if name not in robot}
    return {**own, **{one: joints[name] for one, name in robot.items() if name in joints}}, ''
