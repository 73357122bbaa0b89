"""One tick of a recording as text: what the policy saw, what it wanted, what was sent, and why."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..configuration import FOREVER_NS
from ..errors import MessageError
from ..pipeline.action_terms import build_action
from ..policy.contract import Term
from ..record.session_replay import ReplayedTick
from ..session.blame import STAGE_WORDS, STAGES
from ..session.tick import AnswerKind, Mode
from .table import number, table
from .traces import newest_position
from .words import duration, units, utc

Cells = tuple[str, ...]
_LINE_OF_NUMBERS = 8


def show_tick(tick: ReplayedTick, last: int) -> str:
    """
    Return all of one tick as tables.

    :param tick: the tick, made again from the recorded messages.
    :param last: number of the last tick of the recording.
    """
    record = tick.record
    mode = record.mode.name.lower()
    if tick.before.mode is not record.mode and record.tick:
        mode = f'{tick.before.mode.name.lower()} → {mode}'
    head = [
        f'tick {record.tick} of {last}, {record.episode.id or "no episode"} tick '
        f'{record.episode.tick}, {utc(record.ros_ns)}, mode {mode}'
        + (f': {record.cause}' if record.cause else ''),
    ]
    if record.episode_start:
        head.append(f'begins the episode, seed {record.episode.seed}')
    head += _policy(tick)
    asked = _asked(tick)
    parts = ['\n'.join(head), _inputs(tick), _observation(asked), _state(asked), _actions(asked)]
    parts += [_commands(tick), _timing(tick), _verdict(tick)]
    return '\n\n'.join(part for part in parts if part)


def _policy(tick: ReplayedTick) -> list[str]:
    """Return which policy is chosen and which acts, where that is not the session's own."""
    engine, chosen, before = tick.engine, tick.record.chosen, tick.before.chosen
    found = []
    if chosen != before:
        others = engine.reference(chosen), engine.reference(before)
        found.append('{} is chosen with this tick, in place of {}'.format(*others))
    elif chosen:
        found.append(f'{engine.reference(chosen)} is chosen')
    second = tick.request.second
    if second is not None and not second.chosen:
        found.append(f'{engine.reference(second.name)} is asked in place of the one that cannot')
    return found


def _asked(tick: ReplayedTick) -> ReplayedTick:
    """Return a tick as the policy has it that was asked."""
    second = tick.request.second
    if second is None:
        return tick
    engine = tick.engine.seconds[second.name]
    return dataclasses.replace(tick, engine=engine, request=second.request, before=second.state)


def _inputs(tick: ReplayedTick) -> str:
    rows: list[Cells] = []
    wiring = tick.engine.wiring
    for source, one in enumerate(tick.record.inputs):
        ports = [port for port in wiring.ports if port.source == source]
        taken = len(tick.request.inputs.messages[source])
        topic = wiring.sources[source].topic
        if not one.last_index:
            rows.append((topic, 'none yet', '', '', '', ''))
            continue
        budget = min((port.budget_ns for port in ports), default=FOREVER_NS)
        late = ' !' if one.age_ns > budget else ''
        rows.append(
            (
                topic,
                f'#{one.last_index}',
                f'{taken} new' if taken else 'the one before',
                duration(one.age_ns) + late,
                duration(budget) if ports else '—',
                ', '.join(port.label for port in ports) or wiring.beside(source),
            )
        )
    return 'messages\n' + table(('topic', 'newest', 'taken', 'age', 'budget', 'for'), rows)


def _observation(tick: ReplayedTick) -> str:
    record, contract = tick.record, tick.engine.contract
    if not record.observation:
        asked = {
            Mode.POLICY: 'a chunk of actions is played out',
            Mode.STANDBY: 'the session waits',
        }.get(record.mode, 'there was a fault, or the session is stopped')
        return f'no observation: {asked}'
    try:
        read = tick.engine.as_read(tick.request, tick.before)
    except MessageError as problem:
        return f'the observation cannot be shown: {problem}'
    parts = []
    for name, terms in contract.inputs.items():
        array = record.observation[name].ravel()
        rows: list[Cells] = []
        at = 0
        for term in terms:
            rows += _term(
                term,
                read[term.name],
                array,
                newest_position(term, contract.input_layouts[name], at),
            )
            at += term.size * term.history
        header = ('at', 'term', 'value', 'unit', 'as read', '→ policy')
        parts.append(f'observation {name}\n' + table(header, rows))
        layout = contract.input_layouts[name]
        if layout.history > 1 or any(term.history > 1 for term in terms):
            parts[-1] += '\n  of a history the newest value; the others are of the ticks before'
    return '\n\n'.join(parts)


def _term(
    term: Term, read: NDArray[np.float64], array: NDArray[np.float64], at: int | None
) -> list[Cells]:
    if term.shape:
        shape = ' x '.join(map(str, term.shape))
        words = f'{number(float(read.min()))} to {number(float(read.max()))}'
        return [('all', term.name, f'image {shape}', '', words, '')]
    rows: list[tuple[str, ...]] = []
    for index, (label, unit) in enumerate(zip(term.labels, units(term.unit, term.labels))):
        value = float(read[index])
        low, high = term.clip[0][index], term.clip[1][index]
        clipped = not low <= value - term.offset[index] <= high
        rows.append(
            (
                '' if at is None else str(at + index),
                '' if index else term.name,
                label,
                unit,
                number(value) + (' (clipped)' if clipped else ''),
                '' if at is None else number(float(array[at + index])),
            )
        )
    return rows


def _state(tick: ReplayedTick) -> str:
    rows = [
        (name, f'{list(array.shape)}', _numbers(tick.request.recurrent[name]), _numbers(array))
        for name, array in tick.record.state.items()
    ]
    if not rows:
        return ''
    return 'recurrent state\n' + table(('name', 'shape', 'before', 'after'), rows)


def _numbers(array: NDArray[np.float32]) -> str:
    """Return the first numbers of an array."""
    flat = array.ravel()
    shown = ' '.join(number(float(value)) for value in flat[:_LINE_OF_NUMBERS])
    return shown + (' …' if flat.size > _LINE_OF_NUMBERS else '')


def _actions(tick: ReplayedTick) -> str:
    record, contract = tick.record, tick.engine.contract
    answers = {
        AnswerKind.NONE: 'the policy was not asked',
        AnswerKind.LATE: 'the policy did not answer in time',
        AnswerKind.FAILED: 'the policy failed',
    }
    head = answers.get(record.answer, f'the policy answered in {duration(tick.timing.infer_ns)}')
    raw = _raw(tick)
    rows: list[Cells] = []
    at = 0
    for term in contract.action_terms:
        wanted = None
        if raw is not None:
            action = build_action(term)
            wanted = action.command(action.clip(raw[at : at + term.width]))
        safe = record.safe_action.get(term.name)
        for index, (label, unit) in enumerate(zip(term.labels, units(term.unit, term.labels))):
            limits = [
                words.split(': ', 1)[-1]
                for words in record.limited
                if words.split(': ', 1)[0] == f'{term.name}/{label}'
            ]
            shown = raw is not None and index < term.width
            rows.append(
                (
                    '' if index else term.name,
                    label,
                    number(float(raw[at + index])) if raw is not None and shown else '',
                    '' if wanted is None else number(float(wanted[index])),
                    '' if safe is None else number(float(safe[index])),
                    unit,
                    ', '.join(limits),
                )
            )
        at += term.width
    header = ('term', 'value', 'raw', 'wanted', 'sent', 'unit', 'limited by')
    return f'action: {head}\n' + table(header, rows)


def _raw(tick: ReplayedTick) -> NDArray[np.float64] | None:
    """Return the raw action of the tick: of its answer, or of the chunk that it plays."""
    if tick.record.raw_action:
        return tick.engine.last_action(tick.record.raw_action).raw
    return None


def _commands(tick: ReplayedTick) -> str:
    if not tick.record.command_indices:
        return 'nothing was sent'
    sent = zip(tick.engine.wiring.targets, tick.record.command_indices)
    return 'sent ' + ', '.join(f'{target.topic} #{index}' for target, index in sent if index)


def _timing(tick: ReplayedTick) -> str:
    timing = tick.timing
    stages = ', '.join(
        f'{STAGE_WORDS.get(name, name)} {duration(getattr(timing, f"{name}_ns"))}'
        for name in STAGES
    )
    skipped = f'; {timing.skipped} releases skipped before it' if timing.skipped else ''
    return f'released {duration(timing.lateness_ns)} late; {stages}{skipped}'


def _verdict(tick: ReplayedTick) -> str:
    if not tick.differences:
        return 'made again: equal to the last bit'
    return 'made again:\n' + '\n'.join(f'  {words}' for words in tick.differences)
