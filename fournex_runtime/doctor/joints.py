"""Joints by name, and the order of arrays that name none."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from ..pipeline.field_terms import JOINT_STATE
from ..pipeline.joint_names import JointNames
from .finding import Finding, Level, failure, not_checked, passed
from .measured import Readings, joint_readings
from .survey import Case, Survey

_SAME = 0.02
"""Readings of one joint on two topics may differ by so much, rad or m."""


def check_joint_names(case: Case, survey: Survey) -> list[Finding]:
    """Judge whether every ``JointState`` that came names the joints of its terms."""
    found = []
    for port in case.wiring.ports:
        source = case.wiring.sources[port.source]
        term = next(one for one in case.contract.observation_terms if one.name == port.term)
        topic = survey.topics[source.topic]
        by_name = source.type == JOINT_STATE and not port.fields
        if not term.joints or not by_name or not topic.samples:
            continue
        if any(one.type != source.type for one in topic.publishers):
            continue
        named = [
            tuple(case.messages.decode(one.data, source.type).name)
            for one in topic.samples
            if one.data is not None
        ]
        found.append(_names(f'inputs.{port.label}', topic.name, term.joints, port.names, named))
    return found


def _names(
    about: str,
    topic: str,
    joints: Sequence[str],
    robot: JointNames,
    named: Sequence[tuple[str, ...]],
) -> Finding:
    """Compare the joints of a term with those of each message."""
    for names in dict.fromkeys(named):
        share = f'{named.count(names)} of {len(named)} messages on {topic}'
        where = topic if len(set(named)) == 1 else share
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            words = f'{where}: joint {twice[0]!r} occurs twice'
            return failure('joint_names', about, words, 'Let one driver publish each joint')
        missing = [one for one, name in zip(joints, robot.of(joints)) if name not in names]
        if missing and len(set(named)) > 1:
            words = f'{where}: no joint {robot.both(missing[0])}; it has {", ".join(names)}'
            mend = 'Two publishers that share the joints out need one topic each'
            return failure('joint_names', about, words, mend)
        if missing:
            return _missing(about, where, missing[0], robot, names)
    names = named[-1]
    wanted = robot.of(joints)
    order = tuple(name for name in names if name in wanted)
    if order == wanted:
        return passed('joint_names', about, f'{len(joints)} joints on {topic}')
    words = f'{topic} has them in another order than the policy ({", ".join(order)}): read by name'
    return passed('joint_names', about, words)


def _missing(
    about: str, where: str, joint: str, robot: JointNames, names: Sequence[str]
) -> Finding:
    """Return that a joint is not there, and which one may be it."""
    close = difflib.get_close_matches(robot.of([joint])[0], names, n=1)
    words = f'{where}: no joint {robot.both(joint)}; it has {", ".join(names) or "no names"}'
    if close:
        words = f'{words}. Did you mean {close[0]}?'
    mend = f'Write joint_names: {{{joint}: {close[0] if close else "…"}}} in the wiring'
    return failure('joint_names', about, words, mend)


def check_joint_order(
    case: Case, survey: Survey, readings: Mapping[str, Readings]
) -> list[Finding]:
    """
    Compare arrays that name no joints with a ``JointState`` of the graph that does.

    The joints whose readings agree in another order than the wiring's prove that one wrong.
    """
    found = []
    for kind in ('joint_position', 'joint_velocity'):
        for one in joint_readings(readings, kind):
            port = one.ports[0]
            if not port.joints:
                continue
            known = [
                getattr(reading, kind.removeprefix('joint_'))
                for reading in survey.joint_states.values()
            ]
            names = port.names.of(one.term.joints)
            complete = [values for values in known if all(name in values for name in names)]
            if not complete:
                why = 'no JointState on the graph names these joints to compare with'
                found.append(not_checked('joint_order', one.subject, why))
            else:
                mine = dict(zip(names, one.values[-1]))
                judged = [_order(one.subject, mine, by, port.joints) for by in complete]
                found.append(min(judged, key=lambda f: f.level is Level.NOT_CHECKED))
    return found


def _order(
    about: str, mine: Mapping[str, float], by_name: Mapping[str, float], listed: Sequence[str]
) -> Finding:
    """Compare a reading with a ``JointState``, joint by joint."""
    wrong = [joint for joint in mine if abs(mine[joint] - by_name[joint]) > _SAME]
    if not wrong:
        if np.ptp([by_name[joint] for joint in mine]) <= _SAME and len(mine) > 1:
            why = 'all joints stand alike, so that any order would do; move one'
            return not_checked('joint_order', about, why)
        return passed('joint_order', about, 'that of the JointState on the graph')
    meant = {
        joint: [other for other in mine if abs(mine[joint] - by_name[other]) <= _SAME]
        for joint in wrong
    }
    if not all(meant.values()):
        why = f'{wrong[0]} differs from the JointState on the graph: another time, or unit'
        return not_checked('joint_order', about, why)
    real = ', '.join(meant[name][0] if name in meant else name for name in listed if name in mine)
    words = f'the array is wired as {", ".join(listed)}, its values are those of {real}'
    return failure('joint_order', about, words, f'Write joints: [{real}]')
