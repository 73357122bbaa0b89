"""What differs between the same tick of two recordings, stage by stage and in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .difference import array_difference
from .manifest import SessionManifest
from .recorded_ticks import RecordedTick

_NAMES = ('first', 'second')


def tick_differences(
    before: RecordedTick, after: RecordedTick, topics: SessionManifest
) -> dict[str, str]:
    """
    Return what differs by stage, in words; stages without a difference are left out.

    :param before: the tick in the first recording.
    :param after: the tick in the second one.
    :param topics: the session in the first recording: names its topics.
    """
    found = {}
    for stage, difference in _STAGES.items():
        words = difference(before, after, topics)
        if words:
            found[stage] = words
    return found


def _times(before: RecordedTick, after: RecordedTick, topics: SessionManifest) -> str:
    """Compare what the clocks said."""
    ours, theirs = before.record, after.record
    for name in ('due_ns', 'steady_ns', 'ros_ns'):
        if getattr(ours, name) != getattr(theirs, name):
            return _not_same(name, getattr(ours, name), getattr(theirs, name))
    for topic, mine, other in zip(topics.input_topics, ours.inputs, theirs.inputs):
        for name in ('arrival_ns', 'stamp_ns', 'age_ns'):
            if getattr(mine, name) != getattr(other, name):
                return _not_same(f'{topic} {name}', getattr(mine, name), getattr(other, name))
    return ''


def _inputs(before: RecordedTick, after: RecordedTick, topics: SessionManifest) -> str:
    """Compare the messages that were consumed, and what else the tick was given."""
    ours, theirs = before.record, after.record
    words = _first_of(
        ('episode begun', ours.episode_start, theirs.episode_start),
        ('seed', ours.episode.seed, theirs.episode.seed),
        ('stop asked for', ours.stop_requested, theirs.stop_requested),
        ('policy chosen', ours.chosen, theirs.chosen),
        ('number of topics', len(ours.inputs), len(theirs.inputs)),
    )
    if words:
        return words
    for topic, mine, other in zip(
        topics.input_topics, before.inputs.messages, after.inputs.messages
    ):
        if len(mine) != len(other):
            return _not_same(f'{topic}: messages taken', len(mine), len(other))
        for place, (message, same) in enumerate(zip(mine, other)):
            if message.data != same.data:
                return f'{topic}: message {place + 1} of {len(mine)} taken has other bytes'
    if not (before.complete and after.complete):
        which = 'second' if before.complete else 'first'
        return f'messages that the tick consumed are not in the {which} recording'
    return ''


def _observation(before: RecordedTick, after: RecordedTick, topics: SessionManifest) -> str:
    return array_difference(
        'observation', before.record.observation, after.record.observation, _NAMES
    )


def _raw_action(before: RecordedTick, after: RecordedTick, topics: SessionManifest) -> str:
    """Compare the policy's answer, and the state that it left."""
    ours, theirs = before.record, after.record
    return (
        _first_of(
            ('policy', ours.policy, theirs.policy),
            ('answer', ours.answer.name.lower(), theirs.answer.name.lower()),
        )
        or array_difference('raw action', ours.raw_action, theirs.raw_action, _NAMES)
        or array_difference('state', ours.state, theirs.state, _NAMES)
    )


def _safe_action(before: RecordedTick, after: RecordedTick, topics: SessionManifest) -> str:
    ours, theirs = before.record, after.record
    return _first_of(
        ('mode', ours.mode.name.lower(), theirs.mode.name.lower()),
        ('cause', ours.cause, theirs.cause),
        ('limits touched', list(ours.limited), list(theirs.limited)),
        ('reward', ours.reward, theirs.reward),
        ('return', ours.episode.total, theirs.episode.total),
    ) or array_difference('safe action', ours.safe_action, theirs.safe_action, _NAMES)


def _command(before: RecordedTick, after: RecordedTick, topics: SessionManifest) -> str:
    if len(before.commands) != len(after.commands):
        return _not_same('commands sent', len(before.commands), len(after.commands))
    for topic, mine, other in zip(topics.command_topics, before.commands, after.commands):
        if mine != other:
            return f'the command on {topic} has other bytes'
    return ''


_STAGES: dict[str, Callable[[RecordedTick, RecordedTick, SessionManifest], str]] = {
    'times': _times,
    'inputs': _inputs,
    'observation': _observation,
    'raw action': _raw_action,
    'safe action': _safe_action,
    'command': _command,
}
STAGES = tuple(_STAGES)
"""The stages of a tick as two recordings are compared; the clocks are apart from the rest."""


def _first_of(*pairs: tuple[str, Any, Any]) -> str:
    for name, before, after in pairs:
        if before != after:
            return _not_same(name, before, after)
    return ''


def _not_same(name: str, before: Any, after: Any) -> str:
    return f'{name}: {_shown(before)} and {_shown(after)}'


def _shown(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ', '.join(map(str, value)) or 'none'
    return repr(value)
