"""Reads where a session's actions go: the ``outputs:`` of a wiring."""

from __future__ import annotations

from collections.abc import Sequence

from ..configuration import Section
from ..pipeline.command_terms import can_share
from ..pipeline.command_values import ROUNDINGS
from ..pipeline.joint_names import JointNames
from ..pipeline.ports import Target
from ..policy.contract import Contract, Term
from .wiring_inputs import read_fields, read_unit
from .wiring_terms import check_terms, read_command
from .wiring_types import StopCommand

_MOVES_WHEN_HELD = ('twist', 'joint_velocity_target')
_PLACES = ('joint_position_target', 'pose_target')


def read_targets(
    section: Section, contract: Contract, names: JointNames
) -> tuple[tuple[Target, ...], tuple[StopCommand, ...]]:
    """
    Read ``outputs:``: where each action term goes, and what it is told when the session stops.

    :param section: the mapping.
    :param contract: the contract of the session's policy.
    :param names: what the robot calls the contract's joints.
    :raises WiringError: it is not valid or does not fit the contract.
    """
    check_terms(section, contract, contract.action_terms, 'action term')
    targets: list[Target] = []
    stops: list[StopCommand] = []
    for term in contract.action_terms:
        one = section.section(term.name)
        target = Target(
            term=term.name,
            topic=one.text('topic', expected='a topic name'),
            type=one.text('type', expected='a message type'),
            joints=one.texts('joints', ()),
            frame=one.text('frame', ''),
            time_from_start_ns=_time_from_start_ns(one),
            place=one.place(),
            names=names,
            field=one.text('field', ''),
            fields=read_fields(one.optional_section('fields')),
            constants=_constants(one.optional_section('set')),
            unit=read_unit(one, term),
            rounding=one.choice('rounding', ROUNDINGS, ''),
            consumer_timeout_ns=(
                one.duration_ns('consumer_timeout') if 'consumer_timeout' in one else 0
            ),
        )
        _check_shared(one, target, targets)
        targets.append(target)
        stops.append(_stop(one, term))
        one.finish()
    return tuple(targets), tuple(stops)


def _check_shared(section: Section, target: Target, before: Sequence[Target]) -> None:
    """Refuse a second term on a topic, unless one message can carry both."""
    other = next((one for one in before if one.topic == target.topic), None)
    if other is None:
        return
    if not can_share(target, other):
        raise section.problem('topic', f'{target.topic} is commanded by two action terms')
    alike = ('type', 'frame', 'time_from_start_ns')
    if any(getattr(target, one) != getattr(other, one) for one in alike):
        raise section.problem(
            'topic',
            f'{target.topic} is shared with {other.term}: expected the same type, frame and '
            'time_from_start there',
        )


def _constants(section: Section | None) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    """Read ``set:``, a value or a list by field path; what the fields hold, their type knows."""
    if section is None:
        return ()
    return tuple(
        (path, section.texts(path) if section.is_list(path) else section.text(path, ''))
        for path in section.keys()
    )


def _time_from_start_ns(section: Section) -> int:
    if 'time_from_start' not in section:
        return 0
    found = section.duration_ns('time_from_start')
    if found >= 2**31 * 1_000_000_000:  # the seconds of builtin_interfaces/Duration are int32
        raise section.problem('time_from_start', 'expected a duration such as 60 ms')
    return found


def _stop(section: Section, term: Term) -> StopCommand:
    """Read the stop command; a word that would keep or set this robot moving is refused."""
    if section.is_mapping('stop'):
        values = section.section('stop')
        return StopCommand(read_command(values, term))
    word = section.choice('stop', ('zero', 'hold'))
    if word == 'hold' and term.command in _MOVES_WHEN_HELD:
        message = f'hold would keep a {term.command} moving; write zero, or a value for each'
        raise section.problem('stop', message)
    if word == 'zero' and term.command in _PLACES:
        message = 'zero is a position to move to; write hold, or a value for each'
        raise section.problem('stop', message)
    return StopCommand((0.0,) * term.size if word == 'zero' else None)


def one_a_topic(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return the first target of each topic."""
    first: dict[str, Target] = {}
    for target in targets:
        first.setdefault(target.topic, target)
    return tuple(first.values())
