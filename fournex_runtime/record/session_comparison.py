"""
One session of a recording, run with another version of its policy or its wiring.

One step at a time: at every tick the other version gets the recorded messages, and history, last
action and last command as they were recorded, since the world would have answered otherwise to
what it does itself. A recurrent state is its own from the beginning of each episode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..errors import ArtifactError, LateAnswer, ReplayError
from ..pipeline.messages import Messages
from ..policy.backend import Backend, blank_inputs, signature
from ..policy.backend import Request as Arguments
from ..session.engine import Engine
from ..session.tick import (
    ANSWERED,
    Answer,
    AnswerKind,
    Arrays,
    Mode,
    PolicyChoice,
    Request,
    SessionState,
    TickInputs,
    TickRecord,
)
from .comparison import Comparison, ValueComparison
from .manifest import SessionManifest
from .recorded_inputs import RecordedInputs
from .selection import Selection
from .snapshot import SNAPSHOT_TYPE, Snapshot, decode_snapshot, snapshot_topic
from .tick_record import tick_decoder

Label = tuple[str, str]


class SessionComparison:
    """
    Runs another version of one session, fed with the bag's messages in their order.

    :param manifest: what the recording says of the session.
    :param recorded: the engine of the recorded version.
    :param other: the engine of the other version.
    :param backend: the policy of the other version.
    :param fallbacks: its second policies, by the reference of their contract.
    :param types: the message types of the bag.
    :param selection: the ticks to compare.
    :raises ReplayError: the versions have nothing in common that could be compared.
    """

    def __init__(
        self,
        manifest: SessionManifest,
        recorded: Engine,
        other: Engine,
        backend: Backend,
        fallbacks: Mapping[str, Backend],
        types: Messages,
        selection: Selection,
    ) -> None:
        self._manifest = manifest
        self._recorded, self._other = recorded, other
        self.backend = backend
        self._fallbacks = fallbacks
        self._seconds = {one.contract.reference for one in recorded.seconds.values()}
        self._late: Arguments | None = None
        self._decode = tick_decoder(types)
        self._selection = selection
        self._inputs = RecordedInputs(manifest.input_topics, recorded.wiring.remembered_ns)
        self._snapshot_topic = snapshot_topic(manifest.tick_topic)
        self._begin: int | None = None
        self._types = types
        self._sources = _sources(recorded, other, manifest)
        self._same_outputs = (
            signature(recorded.contract).outputs == signature(other.contract).outputs
        )
        self._same_terms = _labels(recorded) == _labels(other)
        self._same_reactions = recorded.wiring.reactions == other.wiring.reactions
        shared = [label for label in _labels(recorded) if label in _labels(other)]
        if not shared:
            raise ReplayError(
                f'{other.contract.reference} commands {_names(other)}, the recording of '
                f'{recorded.contract.reference} has {_names(recorded)}: nothing to compare'
            )
        if recorded.contract.period_ns != other.contract.period_ns:
            raise ReplayError(
                f'{other.contract.reference} has a period of '
                f'{other.contract.period_ns / 1e6:g} ms, the recording of '
                f'{recorded.contract.reference} has {recorded.contract.period_ns / 1e6:g} ms'
            )
        self._ticks: list[int] = []
        self._values: dict[Label, tuple[list[float], list[float]]] = {
            label: ([], []) for label in shared
        }
        self._state = other.initial_state()
        self._counts = dict.fromkeys(
            ('ticks', 'idle', 'seconds', 'left_out', 'refused', 'unknown'), 0
        )
        self._first_refusal = ''

    @property
    def topics(self) -> Iterator[str]:
        """Return every topic of the bag that the session needs."""
        yield self._manifest.tick_topic
        yield self._snapshot_topic
        yield from self._inputs.topics

    def take(self, topic: str, sequence: int, data: bytes) -> None:
        """Take one message of the bag; a tick is run with what came before it."""
        self._inputs.put(topic, sequence, data)
        if topic == self._manifest.tick_topic:
            self._tick(self._decode(data)[0])
        if topic == self._snapshot_topic:
            message = self._types.decode(data, SNAPSHOT_TYPE)
            self._resume(decode_snapshot(message))

    def _resume(self, snapshot: Snapshot) -> None:
        """Begin with what the recorded version remembered, where the bag begins late."""
        before, state = snapshot.state, self._state
        if self._begin is not None or before.tick == 0:
            return
        newest = self._inputs.resume(snapshot.inputs)
        state = self._other.resumed_state(state, [newest[source] for source in self._sources])
        if _shapes(before.history) == _shapes(state.history):
            state = dataclasses.replace(state, history=before.history)
        if before.late is not None and self._asks_alike(before.late):
            self._late = before.late
        if self._same_outputs:
            state = dataclasses.replace(state, last_action=before.last_action)
        if self._same_terms:
            state = dataclasses.replace(
                state, last_safe=before.last_safe, before_safe=before.before_safe
            )
            if self._same_reactions and before.second is None:
                state = dataclasses.replace(state, reacting=before.reacting)
        self._state = dataclasses.replace(
            state,
            tick=before.tick,
            mode=before.mode,
            cause=before.cause,
            episode=before.episode,
            chosen=self._chosen(before.chosen),
            frames=before.frames,
        )

    def _asks_alike(self, asked: Arguments) -> bool:
        """Return whether the other version is asked with arrays like those."""
        inputs, recurrent = blank_inputs(self._other.contract)
        return (_shapes(inputs), _shapes(recurrent)) == tuple(map(_shapes, asked))

    def _tick(self, record: TickRecord) -> None:
        if self._begin is None:
            self._begin = self._state.tick
        self._gap(record.tick)
        given = self._inputs.of_tick(record)
        inputs: TickInputs = dataclasses.replace(
            given,
            messages=tuple(given.messages[source] for source in self._sources),
            policy=PolicyChoice(self._chosen(record.chosen)),
        )
        request = self._other.observe(inputs, self._state)
        answer = self._ask(record, request)
        made, state = self._other.conclude(request, answer, self._state)
        if self._selection.holds(record):
            self._count(record, request, made, state)
        self._state = self._anchored(state, record, request)

    def _chosen(self, name: str) -> str:
        """Return which policy of the other version is to act: its own for one that it lacks."""
        return name if name in self._other.seconds else ''

    def _ask(self, record: TickRecord, request: Request) -> Answer:
        """Ask the other version; an answer that was late or never came does so for it, too."""
        late, self._late = self._late, None
        if request.observation is None:
            return Answer(AnswerKind.NONE)
        asked = request.observation.inputs, request.recurrent
        kind = AnswerKind.RESULT
        if record.answer in (AnswerKind.LATE, AnswerKind.FAILED):
            self._late = asked if record.answer is AnswerKind.LATE else None
            return Answer(record.answer, problem=record.cause.split(': ', 1)[-1])
        if record.answer is AnswerKind.BELATED and request.awaits_late and late is not None:
            asked, kind = late, AnswerKind.BELATED
        backend = self.backend
        if request.second is not None:
            second = self._other.seconds[request.second.name]
            backend = self._fallbacks[second.contract.reference]
        try:
            return Answer(kind, *backend.run(*asked))
        except LateAnswer as problem:
            return Answer(AnswerKind.LATE, problem=str(problem))
        except ArtifactError as problem:
            return Answer(AnswerKind.FAILED, problem=str(problem))

    def _count(
        self, record: TickRecord, request: Request, made: TickRecord, state: SessionState
    ) -> None:
        self._counts['ticks'] += 1
        second = (record.mode is Mode.POLICY and bool(record.chosen)) or (
            record.mode is Mode.FALLBACK
            and record.answer in ANSWERED
            and record.policy in self._seconds
        )
        if not self._inputs.complete:
            self._counts['unknown'] += 1
        elif record.mode is not Mode.POLICY and not second:
            self._counts['idle'] += 1
        elif second and (request.second is None or state.second is None):
            self._counts['left_out'] += 1
        elif made.mode is not record.mode:
            self._counts['refused'] += 1
            self._first_refusal = self._first_refusal or f'tick {record.tick}: {made.cause}'
        else:
            self._counts['seconds'] += second
            self._ticks.append(record.tick)
            before, after = _sent(self._recorded, record), _sent(self._other, made)
            for label, (recorded, other) in self._values.items():
                recorded.append(before[label])
                other.append(after[label])

    def _anchored(self, state: SessionState, record: TickRecord, request: Request) -> SessionState:
        """Set the state back onto what was done in truth."""
        last_action, last_safe = state.last_action, state.last_safe
        awaited = state.awaits_soft_start
        if record.safe_action and self._same_terms:
            last_safe = self._other.commanded(record.safe_action, state.last_safe)
        own = not record.chosen
        if own and record.mode is Mode.POLICY and record.raw_action and self._same_outputs:
            last_action = self._other.last_action(record.raw_action)
        second, asked = state.second, request.second
        # One that is chosen is asked during a reaction, too, to see that it can answer.
        acted = record.mode is Mode.POLICY or (asked is not None and not asked.chosen)
        if second is not None and record.raw_action and acted:
            engine = self._other.seconds[second.name]
            if record.policy == engine.contract.reference:
                last = engine.last_action(record.raw_action)
                second = dataclasses.replace(second, last_action=last)
        return dataclasses.replace(
            state,
            tick=record.tick + 1,
            mode=record.mode,
            cause=record.cause,
            episode=dataclasses.replace(record.episode, tick=record.episode.tick + 1),
            last_action=last_action,
            last_safe=last_safe,
            soft_start=None if awaited and record.mode is Mode.POLICY else state.soft_start,
            second=second,
            reacting=state.reacting if record.mode is Mode.FALLBACK else None,
        )

    def finish(self, made: int) -> None:
        """
        Count the ticks after the last one that are not in the bag and should be.

        :param made: how many tick records were made, after what the bag says.
        """
        self._gap((self._begin or 0) + made)

    def _gap(self, end: int) -> None:
        """
        Count ticks that are not in the bag.

        :param end: the tick that comes next.
        """
        missing = self._selection.missing(self._state.tick, end)
        self._counts['ticks'] += missing
        self._counts['unknown'] += missing
        if end > self._state.tick:
            self._late = None

    @property
    def result(self) -> Comparison:
        """Return what came of it."""
        units = {
            (term.name, label): term.unit
            for term in self._recorded.contract.action_terms
            for label in term.labels
        }
        here, there = _labels(self._recorded), _labels(self._other)
        remembers = any(
            term.kind == 'last_action' for term in self._other.contract.observation_terms
        )
        recorded, other = (one.contract.reference for one in (self._recorded, self._other))
        hashes = [one.bundle.sha256[:8] for one in (self._recorded, self._other)]
        if recorded == other and hashes[0] != hashes[1]:
            recorded, other = f'{recorded} ({hashes[0]}…)', f'{other} ({hashes[1]}…)'
        return Comparison(
            session=self._manifest.name,
            recorded=recorded,
            other=other,
            first_refusal=self._first_refusal,
            values=tuple(
                ValueComparison(
                    *label,
                    units[label],
                    np.array(self._ticks, np.int64),
                    np.array(before),
                    np.array(after),
                )
                for label, (before, after) in self._values.items()
            ),
            only_one=tuple(
                '/'.join(label) for label in (*here, *there) if (label in here) != (label in there)
            ),
            own_last_actions=remembers and not self._same_outputs,
            **self._counts,
        )


def _labels(engine: Engine) -> list[Label]:
    return [(term.name, label) for term in engine.contract.action_terms for label in term.labels]


def _names(engine: Engine) -> str:
    return ', '.join('/'.join(label) for label in _labels(engine))


def _sent(engine: Engine, record: TickRecord) -> dict[Label, float]:
    return {
        (term.name, label): float(value)
        for term in engine.contract.action_terms
        for label, value in zip(term.labels, record.safe_action[term.name])
    }


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


def _sources(recorded: Engine, other: Engine, manifest: SessionManifest) -> Sequence[int]:
    """
    Return where each source of the other version is among the recorded inputs.

    :raises ReplayError: one was not recorded, or as another type.
    """
    wired = [source.topic for source in recorded.wiring.sources]
    found = []
    for source in other.wiring.sources:
        if source.topic in wired:
            index = wired.index(source.topic)
        elif source.topic in manifest.input_topics:
            index = manifest.input_topics.index(source.topic)
        else:
            raise ReplayError(
                f'{other.contract.reference} reads {source.topic}, which the recording does not '
                f'have; it has {", ".join(wired)}'
            )
        if manifest.input_types[index] != source.type:
            raise ReplayError(
                f'{source.topic} was recorded as {manifest.input_types[index]}, '
                f'{other.contract.reference} reads {source.type}'
            )
        found.append(index)
    return found
