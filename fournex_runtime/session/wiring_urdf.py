"""
Reads the limits that a robot's URDF gives: the ``urdf:`` of an action term's limits.

A wiring names the file. What is read of it takes the name's place in the text of the wiring, so
that a recording has it whole.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib

from ..configuration import Section, read_text
from ..errors import MessageError, WiringError
from ..pipeline.joint_names import JointNames
from ..policy.contract import Term
from ..safety.limits import EFFORTS, POSITIONS, VELOCITIES
from ..safety.urdf import Joint, read_urdf

KEY = 'urdf'
NO_LIMITS = Joint('')
_KINDS = tuple(one for one in (*POSITIONS, *VELOCITIES, *EFFORTS) if one.startswith('joint_'))
_UNITS = ('rad', 'm', 'rad/s', 'm/s', 'Nm', 'N')
_LIMITS = ('lower', 'upper', 'velocity', 'effort')


@dataclasses.dataclass(frozen=True)
class Robot:
    """
    Where a wiring's URDFs are, and what was read of them.

    :param folder: what paths in the wiring are relative to.
    :param names: what the robot calls the contract's joints.
    :param read: begin and end of a name of a file in the text, and what takes its place.
    """

    folder: pathlib.Path
    names: JointNames
    read: list[tuple[int, int, str]] = dataclasses.field(default_factory=list)


def read_joints(section: Section, term: Term, robot: Robot) -> dict[str, Joint]:
    """
    Read ``urdf:``, a file or what was read of one; empty where it is left out.

    :param section: the limits of the term.
    :param term: the action term.
    :param robot: where files are; takes what was read.
    :raises WiringError: it is not valid, or lacks a joint.
    """
    if KEY not in section:
        return {}
    if term.command not in _KINDS or term.unit not in _UNITS:
        raise section.problem(
            KEY, f'is for {", ".join(_KINDS)} in SI units; {term.name} is a {term.command} in '
            f'{term.unit or "no unit"}'
        )  # fmt: skip
    if section.is_mapping(KEY):
        return _written(section.section(KEY), term)
    file = robot.folder / section.text(KEY, expected='a URDF file')
    try:
        joints = read_urdf(read_text(file, WiringError))
    except MessageError as problem:
        raise section.problem(KEY, f'{file}: {problem}') from problem
    except WiringError as problem:
        raise section.problem(KEY, str(problem)) from problem
    found = {}
    for joint, name in zip(term.joints, robot.names.of(term.joints)):
        if name not in joints:
            raise section.problem(KEY, f'{file} has no joint {name}')
        found[joint] = joints[name]
    robot.read.append((*section.span(KEY), _text(found)))
    return found


def _written(section: Section, term: Term) -> dict[str, Joint]:
    found = {}
    for joint in term.joints:
        one = section.section(joint)
        given = {key: one.number(key) for key in _LIMITS if key in one}
        one.finish()
        found[joint] = Joint('', **given)
    section.finish()
    return found


def _text(joints: dict[str, Joint]) -> str:
    """Return joints as YAML in one line; what is not limited is left out."""
    parts = []
    for name, joint in joints.items():
        values = ((key, getattr(joint, key)) for key in _LIMITS)
        limits = (f'{key}: {value!r}' for key, value in values if math.isfinite(value))
        parts.append(f'{name!r}: {{{", ".join(limits)}}}')
    return f'{{{", ".join(parts)}}}'
