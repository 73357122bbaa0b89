"""Reads who may command and stop a session beside its policy: ``overrides:``, ``stop_topics:``."""

from __future__ import annotations

from collections.abc import Sequence

from ..configuration import FOREVER_NS, Section, nearest
from ..pipeline.ports import Source, Target
from .wiring_inputs import SourceReader, read_qos
from .wiring_types import Override, StopTopic

BOOL, EMPTY = 'std_msgs/msg/Bool', 'std_msgs/msg/Empty'


def read_overrides(
    section: Section | None, targets: Sequence[Target], sources: SourceReader
) -> tuple[Override, ...]:
    """
    Read ``overrides:``: by name, a topic on which an operator commands instead of the policy.

    :param section: the mapping; None where it is left out.
    :param targets: the command topics, each once.
    :param sources: takes the topics.
    :raises WiringError: it is not valid.
    """
    if section is None:
        return ()
    found: list[Override] = []
    for name in section.keys():
        one = section.section(name)
        target = _target(one, targets)
        topic = one.text('topic', expected='a topic name')
        if topic in [other.topic for other in targets]:
            raise one.problem('topic', f'{topic} is commanded by this session itself')
        timeout_ns = one.duration_ns('timeout')
        if timeout_ns >= FOREVER_NS:
            raise one.problem('timeout', 'expected a time that ends, such as 500 ms')
        qos = read_qos(one.optional_section('qos'))
        override = Override(
            name=name,
            source=sources.add(Source(topic, targets[target].type, qos), one, 'topic'),
            target=target,
            priority=one.integer('priority'),
            timeout_ns=timeout_ns,
        )
        one.finish()
        for other in found:
            if (other.target, other.priority) == (target, override.priority):
                raise one.problem(
                    'priority',
                    f'{other.name} has {other.priority} too: nobody knows who goes first',
                )
        found.append(override)
    return tuple(found)


def _target(section: Section, targets: Sequence[Target]) -> int:
    """Return which command topic an operator commands."""
    topics = [one.topic for one in targets]
    if 'commands' not in section and len(topics) > 1:
        raise section.problem(
            '', f'commands is missing: expected one of the command topics, {", ".join(topics)}'
        )
    topic = section.text('commands', topics[0])
    if topic not in topics:
        raise section.problem(
            'commands', f'{topic} is no command topic of this session.' + nearest(topic, topics)
        )
    return topics.index(topic)


def read_stop_topics(section: Section | None, sources: SourceReader) -> tuple[StopTopic, ...]:
    """
    Read ``stop_topics:``: by name, a topic that stops the session.

    :param section: the mapping; None where it is left out.
    :param sources: takes the topics.
    :raises WiringError: it is not valid.
    """
    if section is None:
        return ()
    found = []
    for name in section.keys():
        one = section.section(name)
        kind = one.choice('type', (BOOL, EMPTY), BOOL)
        timeout_ns = one.duration_ns('timeout')
        if kind == EMPTY and timeout_ns < FOREVER_NS:
            raise one.problem(
                'timeout', f'expected forever: every {EMPTY} stops, so none is to be waited for'
            )
        source = Source(
            one.text('topic', expected='a topic name'), kind, read_qos(one.optional_section('qos'))
        )
        found.append(StopTopic(name, sources.add(source, one, 'topic'), kind == BOOL, timeout_ns))
        one.finish()
    return tuple(found)
