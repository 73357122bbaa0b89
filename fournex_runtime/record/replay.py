"""
Re-running a recording tick by tick, and comparing bit for bit.

Each tick is made again from the raw input messages of the bag by the same ``observe`` and
``conclude`` that ran live. The three stages (observe, infer, conclude) are judged one by one and
set back onto the record after each tick, so that one difference is counted once, where it arose:

* the observation is built from the messages;
* the policy is run on the *recorded* observation and recurrent state;
* the command is concluded from the *recorded* raw action.

What cannot be judged, because a message or the tick before is not in the bag, counts as
unverifiable, never as equal.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, ReplayError
from ..pipeline.messages import Messages
from ..pipeline.observation import Observation
from ..policy.backend import Backend, load_backend
from ..policy.bundle import Bundle, load_bundle
from ..session.engine import Engine
from ..session.tick import (
    Answer,
    AnswerKind,
    Arrays,
    EpisodeStart,
    Mode,
    Received,
    Request,
    SessionState,
    TickInputs,
    TickRecord,
)
from ..session.wiring import parse_wiring
from .bag_reader import BagReader
from .manifest import (
    MANIFEST_TYPE,
    SCHEMA,
    Manifest,
    SessionManifest,
    decode_manifest,
    environment,
)
from .tick_record import TICK_TYPE, decode_tick

Progress = Callable[[int, int], None]
"""Takes the ticks verified so far and the ticks in the bag."""


@dataclasses.dataclass
class Count:
    """How many ticks of one stage were equal, unequal, and could not be judged."""

    equal: int = 0
    unequal: int = 0
    unverifiable: int = 0

    def add(self, verdict: bool | None) -> None:
        """Count one tick: equal, unequal, or None for unverifiable."""
        if verdict is None:
            self.unverifiable += 1
        elif verdict:
            self.equal += 1
        else:
            self.unequal += 1

    @property
    def all_equal(self) -> bool:
        """Return whether every tick was judged and equal."""
        return not self.unequal and not self.unverifiable


@dataclasses.dataclass
class Verification:
    """
    What came of re-running one session.

    :param session: its name.
    :param ticks: ticks from the first to the last in the bag, missing ones included.
    :param observations: the policy's inputs.
    :param raw_actions: the policy's outputs and its next recurrent state.
    :param safe_actions: mode, cause, limits touched and commanded values.
    :param commands: the bytes of the command messages.
    :param first_difference: tick and what differs, in words; empty when nothing does.
    :param environment: what of machine and software differs from the recording's, in words.
    """

    session: str
    ticks: int = 0
    observations: Count = dataclasses.field(default_factory=Count)
    raw_actions: Count = dataclasses.field(default_factory=Count)
    safe_actions: Count = dataclasses.field(default_factory=Count)
    commands: Count = dataclasses.field(default_factory=Count)
    first_difference: str = ''
    environment: tuple[str, ...] = ()

    @property
    def stages(self) -> dict[str, Count]:
        """Return the four counts by name."""
        return {
            'observations': self.observations,
            'raw actions': self.raw_actions,
            'safe actions': self.safe_actions,
            'commands': self.commands,
        }

    @property
    def all_equal(self) -> bool:
        """Return whether there was a tick and every stage of every tick is equal."""
        return self.ticks > 0 and all(count.all_equal for count in self.stages.values())


def read_manifest(reader: BagReader, types: Messages) -> Manifest:
    """
    Return the manifest of a bag.

    :raises ReplayError: it has none, or one of a schema that this version does not know.
    """
    topics = [channel.topic for channel in reader.channels if channel.type == MANIFEST_TYPE]
    for message in reader.messages(topics) if topics else ():
        manifest = decode_manifest(types.decode(message.data, MANIFEST_TYPE))
        if manifest.schema != SCHEMA:
            raise ReplayError(
                f'{reader.path}: its tick records are of schema {manifest.schema}, this version '
                f'of Fournex knows schema {SCHEMA}'
            )
        return manifest
    raise ReplayError(
        f'{reader.path}: has no manifest ({MANIFEST_TYPE}): it was not recorded by Fournex'
    )


def verify(
    bag: pathlib.Path,
    bundles: Mapping[str, pathlib.Path] | None = None,
    progress: Progress | None = None,
) -> list[Verification]:
    """
    Re-run every tick of a recording.

    :param bag: folder of the bag, or an ``.mcap`` file.
    :param bundles: where the policy bundle of a session is, if not where it was recorded.
    :param progress: told about progress.
    :returns: one verification a session.
    :raises ReplayError: the bag has no manifest or no ticks, or its bundle is not to be found.
    :raises RecordingError: the bag cannot be read.
    """
    with BagReader(bag) as reader:
        types = reader.types()
        manifest = read_manifest(reader, types)
        found = {
            one.name: _bundle(one, (bundles or {}).get(one.name)) for one in manifest.sessions
        }
        wiring = parse_wiring(manifest.wiring, pathlib.Path(manifest.wiring_file), found)
        sessions = {
            one.tick_topic: _SessionReplay(
                one,
                Engine(found[one.name], wired, types, one.frame_prefix),
                load_backend(found[one.name]),
                types,
            )
            for one, wired in zip(manifest.sessions, wiring.sessions)
        }
        _run(reader, sessions, progress)
        for replay in sessions.values():
            replay.result.environment = _differences(manifest, replay.backend)
            if replay.result.ticks == 0:
                raise ReplayError(f'{bag}: holds no tick of session {replay.result.session}')
        return [replay.result for replay in sessions.values()]


def _bundle(manifest: SessionManifest, given: pathlib.Path | None) -> Bundle:
    folder = given or pathlib.Path(manifest.bundle)
    if not folder.is_dir():
        raise ReplayError(
            f'policy bundle {manifest.policy} is not at {folder}: say where it is with --bundle'
        )
    bundle = load_bundle(folder)
    if bundle.sha256 != manifest.bundle_sha256:
        raise ReplayError(
            f'{folder}: has hash {bundle.sha256[:12]}…, the recording was made with '
            f'{manifest.policy} of hash {manifest.bundle_sha256[:12]}…; say where that one is '
            'with --bundle'
        )
    return bundle


def _differences(manifest: Manifest, backend: Backend) -> tuple[str, ...]:
    here = environment([backend.description])
    watched = ('processor', 'machine', 'backends', 'package.numpy', 'package.onnxruntime')
    return tuple(
        f'{key}: recorded with {manifest.environment[key]}, here {here.get(key, "none")}'
        for key in watched
        if key in manifest.environment and manifest.environment[key] != here.get(key)
    )


def _run(
    reader: BagReader, sessions: Mapping[str, _SessionReplay], progress: Progress | None
) -> None:
    total = sum(count for topic, count in reader.counts.items() if topic in sessions)
    done = 0
    wanted = {topic for replay in sessions.values() for topic in replay.topics}
    present = [channel.topic for channel in reader.channels if channel.topic in wanted]
    for message in reader.messages(present):
        for replay in sessions.values():
            replay.take(message.topic, message.sequence, message.data)
        if message.topic in sessions:
            done += 1
            if progress is not None and (done % 50 == 0 or done == total):
                progress(done, total)


class _SessionReplay:
    """Re-runs one session, fed with the bag's messages in their order."""

    def __init__(
        self, manifest: SessionManifest, engine: Engine, backend: Backend, types: Messages
    ) -> None:
        self.result = Verification(manifest.name)
        self.backend = backend
        self._engine = engine
        self._types = types
        self._tick_topic = manifest.tick_topic
        self._inputs: dict[str, collections.OrderedDict[int, bytes]] = {
            topic: collections.OrderedDict() for topic in manifest.input_topics
        }
        self._input_topics = manifest.input_topics
        self._command_topics = manifest.command_topics
        self._commands: dict[str, collections.OrderedDict[int, bytes]] = {
            topic: collections.OrderedDict() for topic in manifest.command_topics
        }
        self._state: SessionState = engine.initial_state()
        self._known = [True] * len(manifest.input_topics)
        self._last_index = [0] * len(manifest.input_topics)
        self._next_tick = 0
        self._uncertain = 0
        self._memory = max(term.history for term in engine.contract.observation_terms)

    @property
    def topics(self) -> Iterator[str]:
        """Return every topic of the bag that the session needs."""
        yield self._tick_topic
        yield from self._inputs
        yield from self._commands

    def take(self, topic: str, sequence: int, data: bytes) -> None:
        """Take one message of the bag; a tick is re-run with what came before it."""
        if topic in self._inputs:
            self._inputs[topic][sequence] = data
        if topic in self._commands:
            self._commands[topic][sequence] = data
        if topic == self._tick_topic:
            self._tick(decode_tick(self._types.decode(data, TICK_TYPE)))

    def _tick(self, record: TickRecord) -> None:
        missing = record.tick - self._next_tick
        if missing != 0:
            self._gap(missing, record)
        self._next_tick = record.tick + 1
        self.result.ticks += 1
        messages = self._messages(record)
        inputs = TickInputs(
            messages=messages,
            due_ns=record.due_ns,
            steady_ns=record.steady_ns,
            ros_ns=record.ros_ns,
            episode=EpisodeStart(record.episode.id, record.episode.seed)
            if record.episode_start
            else None,
            stop=record.cause if record.stop_requested else '',
        )
        request = self._engine.observe(inputs, self._state)
        sure = self._uncertain == 0 and all(self._known)
        self._judge_observation(record, request, sure)
        self._judge_inference(record, request)
        state = self._judge_conclusion(record, request, sure)
        self._state = self._anchor(state, record)
        self._uncertain = max(0, self._uncertain - 1)

    def _gap(self, missing: int, record: TickRecord) -> None:
        """Count ticks that are not in the bag; what follows is uncertain for a while."""
        if missing > 0:
            self.result.ticks += missing
            for count in self.result.stages.values():
                count.unverifiable += missing
            words = f'tick {self._next_tick}: {missing} tick records are not in the bag'
        else:
            words = f'tick {record.tick}: comes after tick {self._next_tick - 1}'
        self._differs(words)
        self._uncertain = self._memory

    def _messages(self, record: TickRecord) -> tuple[tuple[Received, ...], ...]:
        """Return for each source what the tick consumed; note where the newest is missing."""
        found = []
        for source, (topic, one) in enumerate(zip(self._input_topics, record.inputs)):
            queue = self._inputs[topic]
            taken = []
            for index in range(self._last_index[source] + 1, one.last_index + 1):
                data = queue.get(index & 0xFFFFFFFF)
                if data is not None:
                    taken.append(Received(index, one.arrival_ns, data))
            if one.last_index > self._last_index[source]:
                self._known[source] = bool(taken) and taken[-1].index == one.last_index
                self._last_index[source] = one.last_index
                while queue and next(iter(queue)) < (one.last_index & 0xFFFFFFFF):
                    queue.popitem(last=False)
            found.append(tuple(taken))
        return tuple(found)

    def _judge_observation(self, record: TickRecord, request: Request, sure: bool) -> None:
        made = request.observation.inputs if request.observation is not None else {}
        words = _array_difference('observation', record.observation, made)
        verdict = (not words) if sure else None
        self.result.observations.add(verdict)
        if verdict is False:
            self._differs(f'tick {record.tick}: {words}')

    def _judge_inference(self, record: TickRecord, request: Request) -> None:
        """Run the policy on the recorded observation and state."""
        if record.answer is not AnswerKind.RESULT:
            self.result.raw_actions.add(not record.raw_action)
            return
        if self._uncertain > 0 and self._engine.contract.state and not record.episode_start:
            self.result.raw_actions.add(None)
            return
        try:
            outputs, state = self.backend.run(record.observation, request.recurrent)
        except ArtifactError as problem:
            words = str(problem)
        else:
            words = _array_difference('raw action', record.raw_action, outputs)
            if record.mode is Mode.POLICY:
                words = words or _array_difference('state', record.state, state)
        self.result.raw_actions.add(not words)
        if words:
            self._differs(f'tick {record.tick}: {words}')

    def _judge_conclusion(self, record: TickRecord, request: Request, sure: bool) -> SessionState:
        """Conclude from the recorded answer; compare decision, values and command bytes."""
        anchored = request
        if record.observation:
            history = (
                request.observation.history
                if request.observation is not None
                else (self._state.history)
            )
            anchored = dataclasses.replace(
                request,
                observation=Observation(record.observation, history),
                fault=None,
                waiting='',
            )
        problem = record.cause.split(': ', 1)[-1]
        answer = Answer(record.answer, problem=problem)
        if record.answer is AnswerKind.RESULT:
            recurrent = record.state if record.mode is Mode.POLICY else self._state.recurrent
            answer = Answer(AnswerKind.RESULT, record.raw_action, recurrent)
        made, state = self._engine.conclude(anchored, answer, self._state)
        decided = sure or (bool(record.observation) and self._uncertain == 0)
        words = _decision_difference(record, made)
        self.result.safe_actions.add((not words) if decided else None)
        if words and decided:
            self._differs(f'tick {record.tick}: {words}')
        self._judge_commands(record, made, decided)
        return state

    def _judge_commands(self, record: TickRecord, made: TickRecord, decided: bool) -> None:
        recorded = []
        for topic, index in zip(self._command_topics, record.command_indices):
            recorded.append(self._commands[topic].pop(index & 0xFFFFFFFF, None))
        if not decided or any(data is None for data in recorded):
            self.result.commands.add(None)
            return
        equal = tuple(recorded) == made.commands
        self.result.commands.add(equal)
        if not equal:
            self._differs(f'tick {record.tick}: the command on {", ".join(self._command_topics)}')

    def _anchor(self, state: SessionState, record: TickRecord) -> SessionState:
        """Set the state back onto the record, so that a difference does not spread."""
        last_action, last_safe = state.last_action, state.last_safe
        if record.safe_action:
            last_safe = tuple(record.safe_action.values())
        if record.mode is Mode.POLICY:
            last_action = self._engine.last_action(record.raw_action)
        commands = state.commands
        if record.command_indices:
            commands = record.command_indices
        return dataclasses.replace(
            state,
            tick=record.tick + 1,
            mode=record.mode,
            cause=record.cause,
            episode=dataclasses.replace(record.episode, tick=record.episode.tick + 1),
            recurrent=record.state,
            last_action=last_action,
            last_safe=last_safe,
            fault_since_ns=(
                None if record.mode in (Mode.STANDBY, Mode.POLICY) else state.fault_since_ns
            ),
            commands=commands,
        )

    def _differs(self, words: str) -> None:
        if not self.result.first_difference:
            self.result.first_difference = words


def _decision_difference(record: TickRecord, made: TickRecord) -> str:
    """Return what of a decision differs, in words; empty when nothing does."""
    pairs: Sequence[tuple[str, Any, Any]] = (
        ('mode', record.mode.name.lower(), made.mode.name.lower()),
        ('cause', record.cause, made.cause),
        ('limits touched', list(record.limited), list(made.limited)),
        ('episode', record.episode, made.episode),
        ('ages', [one.age_ns for one in record.inputs], [one.age_ns for one in made.inputs]),
    )
    for name, recorded, found in pairs:
        if recorded != found:
            return f'{name}: recorded {recorded!r}, re-run {found!r}'
    return _array_difference('safe action', record.safe_action, made.safe_action)


def _array_difference(what: str, recorded: Arrays, made: Arrays) -> str:
    """Return the first element whose bits differ, in words; empty when none does."""
    if list(recorded) != list(made):
        return (
            f'{what}: recorded {", ".join(recorded) or "none"}, re-run {", ".join(made) or "none"}'
        )
    for name, array in recorded.items():
        other = made[name]
        if array.shape != other.shape or array.dtype != other.dtype:
            return (
                f'{what} {name}: recorded {array.dtype} {list(array.shape)}, re-run '
                f'{other.dtype} {list(other.shape)}'
            )
        index = _first_unequal(array, other)
        if index is not None:
            return (
                f'{what} {name}[{index}]: recorded {array.flat[index]!r}, re-run '
                f'{other.flat[index]!r}'
            )
    return ''


def _first_unequal(array: NDArray[Any], other: NDArray[Any]) -> int | None:
    """Return the flat index of the first element with other bits; None when all are equal."""
    if array.tobytes() == other.tobytes():
        return None
    width = array.dtype.itemsize
    left = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, width)
    right = np.frombuffer(other.tobytes(), np.uint8).reshape(-1, width)
    return int(np.flatnonzero((left != right).any(axis=1))[0])
