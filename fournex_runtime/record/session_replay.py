"""
One session of a recording, run again tick by tick and judged stage by stage.

The three stages (observe, infer, conclude) are judged one by one and set back onto the record
after each tick, so that one difference is counted once, where it arose:

* the observation is built from the messages;
* the policy is run on the *recorded* observation and recurrent state;
* the command is concluded from the *recorded* raw action.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping

from ..errors import ArtifactError, ReplayError
from ..pipeline.messages import Messages
from ..policy.backend import Backend
from ..policy.backend import Request as Arguments
from ..policy.batch import MOST_ROWS
from ..session.engine import Engine
from ..session.tick import (
    ANSWERED,
    Answer,
    AnswerKind,
    Arrays,
    Mode,
    Request,
    SessionState,
    TickRecord,
    Timing,
)
from .anchoring import anchored_request, anchored_state, is_own
from .deviations import SessionDeviations
from .difference import array_difference, decision_difference
from .doubt import Doubt
from .manifest import SessionManifest
from .named_values import ContractValues
from .recorded_inputs import RecordedInputs
from .selection import ALL_TICKS, Selection
from .snapshot import SNAPSHOT_TYPE, Snapshot, decode_snapshot, snapshot_topic
from .tick_record import tick_decoder
from .verification import Verification

_EPISODES_SHOWN = 12


@dataclasses.dataclass(frozen=True)
class ReplayedTick:
    """
    One tick that was made again.

    :param engine: what made it.
    :param record: the tick as it was recorded.
    :param timing: its measured durations.
    :param before: the state that it began with.
    :param request: what was made of its inputs.
    :param differences: what is not as recorded, in words.
    """

    engine: Engine
    record: TickRecord
    timing: Timing
    before: SessionState
    request: Request
    differences: tuple[str, ...]


class SessionReplay:
    """
    Re-runs one session, fed with the bag's messages in their order.

    :param manifest: what the recording says of the session.
    :param engine: the session's.
    :param backend: its policy.
    :param types: the message types of the bag.
    :param selection: the ticks to judge; the others only give what these begin with.
    :param watch: told about each of these ticks.
    :param fallbacks: its second policies, by the reference of their contract.
    """

    def __init__(
        self,
        manifest: SessionManifest,
        engine: Engine,
        backend: Backend,
        types: Messages,
        selection: Selection = ALL_TICKS,
        watch: Callable[[ReplayedTick], None] | None = None,
        fallbacks: Mapping[str, Backend] | None = None,
    ) -> None:
        seconds = {one.contract.reference: _values(one) for one in engine.seconds.values()}
        self._deviations = SessionDeviations({**seconds, '': _values(engine)})
        self.result = Verification(manifest.name)
        self.backend = backend
        self._fallbacks = fallbacks or {}
        self._selection = selection
        self._watch = watch
        self._differences: list[str] = []
        self._engine = engine
        self._types = types
        self._decode = tick_decoder(types, manifest.command_topics)
        self._tick_topic = manifest.tick_topic
        self._snapshot_topic = snapshot_topic(manifest.tick_topic)
        self._inputs = RecordedInputs(manifest.input_topics, engine.wiring.remembered_ns)
        self._command_topics = manifest.command_topics
        self._commands: dict[str, collections.OrderedDict[int, bytes]] = {
            topic: collections.OrderedDict() for topic in manifest.command_topics
        }
        self._state: SessionState = engine.initial_state()
        self._next_tick = 0
        self._begin = 0
        self._first_tick: int | None = None
        self._episodes: dict[str, None] = {}
        self._late: Arguments | None = None
        self._doubt = Doubt(engine)

    @property
    def span(self) -> str:
        """Return the ticks and the episodes of the bag, in words."""
        if self._first_tick is None:
            return 'no tick'
        names = list(self._episodes)
        shown = names if len(names) <= _EPISODES_SHOWN else [names[0], '…', names[-1]]
        return f'ticks {self._first_tick} to {self._next_tick - 1}, episodes {", ".join(shown)}'

    @property
    def topics(self) -> Iterator[str]:
        """Return every topic of the bag that the session needs."""
        yield self._tick_topic
        yield self._snapshot_topic
        yield from self._inputs.topics
        yield from self._commands

    def take(self, topic: str, sequence: int, data: bytes) -> None:
        """Take one message of the bag; a tick is re-run with what came before it."""
        self._inputs.put(topic, sequence, data)
        if topic in self._commands:
            self._commands[topic][sequence] = data
        if topic == self._tick_topic:
            self._tick(*self._decode(data))
        if topic == self._snapshot_topic:
            message = self._types.decode(data, SNAPSHOT_TYPE)
            self._resume(decode_snapshot(message))

    def _resume(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot where the ticks before it are not in the bag."""
        if snapshot.state.tick <= self._next_tick:
            return
        if self._first_tick is not None:
            self._gap(snapshot.state.tick)
        newest = self._inputs.resume(snapshot.inputs)
        self._state = self._engine.resumed_state(snapshot.state, newest)
        self._late = snapshot.state.late
        self._next_tick = snapshot.state.tick
        self._doubt.forget()

    def finish(self, made: int = 0) -> None:
        """
        Count what is not in the bag and should be.

        That is the tick records that no gap in their numbers tells of, and, if every tick was
        asked for, those of commands that no record accounts for.

        :param made: how many tick records were made, after what the bag says.
        """
        self.result.deviations = self._deviations.all
        lost = made - (self._next_tick - self._begin)
        if lost > 0:
            self._gap(self._next_tick + lost)
        if self._selection != ALL_TICKS:
            return
        for topic, left in self._commands.items():
            self.result.commands.unverifiable += len(left)
            if left:
                self._differs(f'{topic}: command {next(iter(left))} belongs to no tick record')
        self._tell_first()

    def _tick(self, record: TickRecord, timing: Timing) -> None:
        if self._first_tick is None:
            self._begin, self._first_tick = self._next_tick, record.tick
        if record.tick != self._next_tick:
            self._gap(record.tick)
        self._next_tick = record.tick + 1
        self._episodes[record.episode.id] = None
        if record.chosen and record.chosen not in self._engine.seconds:
            raise ReplayError(
                f'tick {record.tick}: of policy {record.chosen!r}, which session '
                f'{self.result.session} does not have'
            )
        inputs = self._inputs.of_tick(record)
        self._differences += self._inputs.missing
        before = self._state
        request = self._engine.observe(inputs, before)
        doubt = self._doubt.about(record, before.mode)
        sure = not doubt and self._inputs.complete
        chosen = self._selection.holds(record)
        own = is_own(self._engine, record, request)
        observed = self._judge_observation(record, request, sure)
        inferred, recurrent = self._judge_inference(record, request, timing, chosen)
        from_messages = self._engine.begins_where_measured(before)
        decides = sure or (not doubt and bool(record.observation) and own and not from_messages)
        state, decided, commanded = self._judge_conclusion(
            record, request, recurrent, sure, decides
        )
        if chosen:
            verdicts = (observed, inferred, decided, commanded)
            self.result.add(record.tick, verdicts, self._differences)
            self._tell_first()
            if self._watch is not None:
                words = tuple(self._differences)
                self._watch(ReplayedTick(self._engine, record, timing, before, request, words))
        self._differences.clear()
        self._state = anchored_state(self._engine, record, request, state)
        self._doubt.passed(record, own, self._inputs.complete)

    def _tell_first(self) -> None:
        if self._differences and not self.result.first_difference:
            self.result.first_difference = self._differences[0]

    def _gap(self, end: int) -> None:
        """
        Count ticks that are not in the bag; what follows is uncertain for a while.

        :param end: the tick that comes next.
        """
        missing = end - self._next_tick
        if missing > 0:
            counted = self._selection.missing(self._next_tick, end)
            self.result.add_missing(counted)
            self._differs(f'tick {self._next_tick}: {missing} tick records are not in the bag')
            if counted:
                self._tell_first()
        else:
            self._differs(f'tick {end}: comes after tick {self._next_tick - 1}')
        self._doubt.tick_lost()
        self._late = None

    def _judge_observation(self, record: TickRecord, request: Request, sure: bool) -> bool | None:
        made = request.observation.inputs if request.observation is not None else {}
        words = array_difference('observation', record.observation, made)
        if not sure:
            return None
        if words:
            self._differs(f'tick {record.tick}: {words}')
            self._deviate('observation', record, record.observation, made)
        return not words

    def _judge_inference(
        self, record: TickRecord, request: Request, timing: Timing, chosen: bool
    ) -> tuple[bool | None, Arrays]:
        """
        Run the policy on the recorded observation and state, if the tick is asked for.

        In a batch of the same size, and in the same row of it, as it was asked then.

        :returns: the verdict, and the recurrent state after it.
        """
        following = record.state
        words: str | None = ''
        measured = False
        recurrent = self._recurrent(record, request)
        asked = None if recurrent is None else (record.observation, recurrent)
        if record.answer is AnswerKind.BELATED:
            asked = self._late
        self._late = asked if record.answer is AnswerKind.LATE else None
        if record.answer not in ANSWERED:
            if record.raw_action:
                words = f'raw action: recorded with the answer {record.answer.name.lower()}'
        elif asked is None or not chosen:
            words = None
        else:
            try:
                outputs, state = self._ask(asked, timing, record.policy)
            except ArtifactError as problem:
                words = str(problem)
            else:
                words = array_difference('raw action', record.raw_action, outputs)
                if self._acted(record, request):
                    words = words or array_difference('state', record.state, state)
                else:
                    following = state  # the record holds the one that was kept instead
                    state = record.state
                if words:
                    measured = self._deviate('state', record, record.state, state)
                    measured &= self._deviate('raw action', record, record.raw_action, outputs)
        if words:
            self._differs(f'tick {record.tick}: {words}')
            self.result.unmeasured += not measured
        return None if words is None else not words, following

    def _acted(self, record: TickRecord, request: Request) -> bool:
        """Return whether the record holds the recurrent state that the policy gave."""
        if is_own(self._engine, record, request):
            return record.mode is Mode.POLICY
        return bool(array_difference('state', request.recurrent, record.state))

    def _recurrent(self, record: TickRecord, request: Request) -> Arrays | None:
        """Return the recurrent state that the policy of a record was asked with; None: unknown."""
        if is_own(self._engine, record, request):
            state = self._engine.contract.state
            carried = any(one.keeps or not record.episode_start for one in state)
            if self._doubt.recurrent and carried:
                return None
            return request.recurrent if request.second is None else self._state.recurrent
        if request.second is None or self._doubt.about(record, self._state.mode):
            return None
        return request.recurrent

    def _ask(self, arguments: Arguments, timing: Timing, policy: str) -> Arguments:
        """Run the policy as it was run then; the other rows of a batch are zeros."""
        if policy != self._engine.contract.reference:
            if policy not in self._fallbacks:
                raise ArtifactError(f'recorded of {policy}, which is no policy of the session')
            return self._fallbacks[policy].run(*arguments)
        size, row = timing.batch_size, timing.batch_row
        if size == 0:
            return self.backend.run(*arguments)
        if not row < size <= MOST_ROWS:
            raise ArtifactError(f'recorded as row {row} of a batch of {size}, which none can be')
        rows: list[Arguments | None] = [None] * size
        rows[row] = arguments
        answer = self.backend.run_batch(rows)[row]
        assert answer is not None
        return answer

    def _judge_conclusion(
        self,
        record: TickRecord,
        request: Request,
        recurrent: Arrays,
        sure: bool,
        decided: bool,
    ) -> tuple[SessionState, bool | None, bool | None]:
        """
        Conclude from the recorded answer; compare decision, values and command bytes.

        :param recurrent: the recurrent state after it.
        :param sure: everything that the tick depends on is known.
        :param decided: at least all that it makes of the recorded observation is, and of where
            a soft start begins.
        :returns: the state after it, the verdict over the decision and that over the commands.
        """
        anchored = anchored_request(self._engine, record, request, self._state)
        problem = record.cause.split(': ', 1)[-1]
        answer = Answer(record.answer, problem=problem)
        if record.answer in ANSWERED:
            answer = Answer(record.answer, record.raw_action, recurrent)
        made, state = self._engine.conclude(anchored, answer, self._state)
        words = decision_difference(record, made, sure)
        if words and decided:
            self._differs(f'tick {record.tick}: {words}')
            self._deviate('safe action', record, record.safe_action, made.safe_action)
        commanded = self._judge_commands(record, made, decided)
        return state, (not words) if decided else None, commanded

    def _judge_commands(self, record: TickRecord, made: TickRecord, decided: bool) -> bool | None:
        recorded: list[bytes | None] = []
        missing = ''
        for topic, index in zip(self._command_topics, record.command_indices):
            recorded.append(self._commands[topic].pop(index & 0xFFFFFFFF, None) if index else None)
            if index and recorded[-1] is None:
                missing = f'tick {record.tick}: command {index} on {topic} is not there'
        if missing:
            self._differs(missing)
        if missing or not decided:
            return None
        if len(recorded) != len(made.commands):
            self._differs(
                f'tick {record.tick}: commands recorded {len(recorded)}, re-run '
                f'{len(made.commands)}'
            )
        for topic, data, other in zip(self._command_topics, recorded, made.commands):
            if data != other:
                self._differs(f'tick {record.tick}: the command on {topic} has other bytes')
        return tuple(recorded) == made.commands

    def _deviate(self, stage: str, record: TickRecord, before: Arrays, after: Arrays) -> bool:
        """Count how far values are off, if the tick is asked for; return whether that is known."""
        own = record.policy in ('', self._engine.contract.reference)
        return self._selection.holds(record) and self._deviations.add(
            '' if own else record.policy, stage, record.tick, before, after
        )

    def _differs(self, words: str) -> None:
        self._differences.append(words)


def _values(engine: Engine) -> ContractValues:
    return ContractValues(engine.contract, engine.bundle.statistics)
