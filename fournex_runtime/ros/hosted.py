"""A session as the runtime hosts it: the engine with live topics, a backend and a recording."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..configuration import nearest
from ..errors import FournexError
from ..pipeline.messages import Messages
from ..policy.backend import Backend
from ..record.tick_record import TickCodec
from ..session.engine import Engine
from ..session.load import TickCost
from ..session.schedule import WAIT_PART
from ..session.shared_policy import NOT_ASKED, Answered, SharedPolicy
from ..session.statistics import TickStatistics
from ..session.tick import (
    EpisodeStart,
    Latched,
    Mode,
    PolicyChoice,
    Received,
    Request,
    SessionState,
    TickInputs,
    TickRecord,
    Timing,
)
from ..worker.succession import describe_replacement, worker_number
from .feed import Feed
from .rehearsal import arrived_at, first_tick, rehearse
from .tick_stages import Begun, Concluded, Due, Outlets


class HostedSession:
    """
    One session with everything live bound to it. Only the loop calls its ticks.

    :param engine: the session's engine.
    :param policy: the loaded artifact, which other sessions may ask, too.
    :param row: the session's row in a batch.
    :param seconds: its second policies, by name.
    """

    def __init__(
        self,
        engine: Engine,
        policy: SharedPolicy,
        row: int = 0,
        seconds: Mapping[str, SharedPolicy] | None = None,
    ) -> None:
        self.engine = engine
        self.policy = policy
        self.seconds = seconds or {}
        self._policies = {'': policy, **self.seconds}
        self.row = row
        self.infers_here = not any(one.is_awaited for one in self._policies.values())
        """Whether its answers are computed in this process, so that nothing has to be awaited."""
        self.name = engine.wiring.name
        self.period_ns = engine.contract.period_ns
        self.statistics = TickStatistics()
        self.state: SessionState = engine.initial_state()
        self.ages_ns: tuple[int, ...] = (-1,) * len(engine.wiring.sources)
        self._in_lockstep = bool(engine.wiring.lockstep)
        self._feeds: list[Feed] = []
        self._queues: list[list[Received]] = []
        self._outlets: Outlets | None = None
        self._codec: TickCodec | None = None
        self._episode: EpisodeStart | None = None
        self._episode_numbers = itertools.count(1)
        self.seeds: Iterator[int] = iter(())
        """Seeds of the episodes to come that are asked for without one, in their order."""
        self._stop = ''
        self._choice: PolicyChoice | None = None
        self._last_mode: Mode | None = None
        self._last_chosen = ''
        self._workers: dict[str, int] = {}
        self._record_ns = 0

    @property
    def backend(self) -> Backend:
        """Return what runs the artifact."""
        return self.policy.backend

    @property
    def missed(self) -> list[int | None]:
        """Return how many messages of each source never came; None: nobody knows."""
        return [feed.topic.missed for feed in self._feeds]

    def close(self) -> None:
        """End what runs its artifacts."""
        for policy in self._policies.values():
            policy.backend.close()

    @property
    def acting(self) -> Backend:
        """Return what runs the policy whose turn it is."""
        return self._policies[self.engine.acting(self.state)].backend

    # --- activation ------------------------------------------------------------------------------

    def bind(self, feeds: Sequence[Feed]) -> None:
        """Read from these feeds, in the order of the wiring's sources."""
        self._feeds = list(feeds)
        self._queues = [feed.attach() for feed in feeds]

    def unresolved(self, first: Sequence[Sequence[Received]], ros_ns: int) -> tuple[str, ...]:
        """
        Return which frames the session lacks as long as only these messages have come, in words.

        :param first: the first messages of each source.
        :param ros_ns: the ROS clock now.
        """
        if self.engine.wiring.frames is None:
            return ()  # what does not fit then never will
        return self.engine.unresolved(first_tick(self.engine, first, ros_ns))

    def rehearse(
        self,
        first: Sequence[Sequence[Received]],
        ros_ns: int,
        messages: Messages,
        command_topics: Sequence[str],
    ) -> TickCost:
        """
        Run a whole tick on the first messages and publish nothing.

        A misfit between messages and contract is found before any action, and everything that is
        slow for the first time (code made for a message type, memory) is done by then.

        :param first: the first messages of each source.
        :param ros_ns: the ROS clock now.
        :returns: what it took at least.
        :raises GraphError: an input cannot be used.
        """
        inputs = first_tick(self.engine, first, ros_ns)  # before time passes that it doesn't show
        self._codec = TickCodec(messages, self.name, self.topics, command_topics)
        return rehearse(self, self._codec, inputs)

    def begin(self, outlets: Outlets) -> None:
        """Make the session ready for its first tick, which begins its first episode."""
        self._outlets = outlets
        self.state = self.engine.initial_state()
        self.statistics = TickStatistics(time.monotonic_ns())
        self._last_mode, self._last_chosen = None, ''
        self._workers = {
            name: worker_number(policy.backend) for name, policy in self._policies.items()
        }
        self._record_ns = 0
        self._stop = ''
        self._choice = None
        self.first_episode()

    @property
    def batch_wait_ns(self) -> int:
        """Return how long a release may wait for those of others that ask the same policy."""
        budgets = [port.budget_ns for port in self.engine.wiring.ports]
        return min(self.period_ns, *budgets) // WAIT_PART

    def end(self) -> None:
        """Forget everything that belongs to one activation."""
        if self._outlets is None and self._episode is not None:  # it never began
            self.seeds = itertools.chain((self._episode.seed,), self.seeds)
        self._feeds, self._queues = [], []
        self._outlets = self._codec = None
        self._episode = None

    # --- requests, taken up by the next tick -----------------------------------------------------

    def first_episode(self) -> EpisodeStart:
        """Return the episode that the first tick begins; it is asked for if nobody has yet."""
        if self._episode is None:
            self.request_episode('', 0, ())
        assert self._episode is not None
        return self._episode

    def request_episode(
        self, episode: str, seed: int, metadata: tuple[tuple[str, str], ...]
    ) -> str:
        """
        Begin an episode with the next tick.

        Where no seed is given (0) it gets the next of ``seeds``; a policy that is given noise and
        has none left gets one from the operating system. All are recorded alike.

        :returns: its id; one is made up when none is given.
        """
        name = episode or f'episode-{next(self._episode_numbers):04d}'
        seed = seed or next(self.seeds, 0)
        if seed == 0 and self.engine.contract.draws:
            seed = secrets.randbits(64) or 1
        self._episode = EpisodeStart(name, seed, metadata)
        return name

    def request_stop(self, cause: str) -> None:
        """Stop with the next tick; an episode asked for before is dropped."""
        self._stop = cause
        self._episode = None

    def request_policy(self, name: str, cause: str) -> str:
        """
        Let another policy act from the next tick on.

        :param name: its name in the wiring; empty for the session's own.
        :param cause: who wants it, or why.
        :returns: what comes of it now, in words.
        :raises FournexError: there is no such policy, or nobody who could answer for it.
        """
        engine, names = self.engine, list(self.seconds)
        if name not in self._policies:
            expected = f'nothing, for its own policy {engine.contract.reference}'
            if names:
                expected = f'{", ".join(names)}, or {expected}'
            raise FournexError(
                f'session {self.name} has no policy {name!r}; expected {expected}.'
                + nearest(name, names, listed=False)
            )
        reference = engine.reference(name)
        for one in engine.wiring.fallbacks:
            if one.name == name and one.unchoosable:
                raise FournexError(f'{name} cannot take over softly: {one.unchoosable}')
        absence = self._policies[name].absence
        if absence:
            raise FournexError(f'{reference} cannot be asked yet, try again: {absence}')
        state = self.state
        silent = engine.lacks(name, state)
        if silent and state.mode not in (Mode.STANDBY, Mode.STOPPED):
            raise FournexError(f'{reference} needs {silent}, on which nothing has come yet')
        self._choice = PolicyChoice(name, cause)
        if state.mode is Mode.POLICY:
            return f'{reference} acts from the next tick on'
        return f'{reference} is chosen; the session is in {state.mode.name.lower()}: {state.cause}'

    # --- the tick --------------------------------------------------------------------------------

    @property
    def trigger(self) -> Feed | None:
        """Return the feed whose messages release the ticks; None for a session with a rate."""
        lockstep = self.engine.wiring.lockstep
        return self._feeds[lockstep[0]] if lockstep else None

    @property
    def lockstep_feeds(self) -> list[Feed]:
        """Return the feeds that must carry one stamp, the trigger first."""
        return [self._feeds[source] for source in self.engine.wiring.lockstep]

    def lockstep_stamp_ns(self, before_ns: int) -> int | None:
        """
        Return the stamp at which every synchronised source has come, if that is a new one.

        :param before_ns: stamp of the tick before.
        """
        newest = []
        for source in self.engine.wiring.lockstep:
            self._feeds[source].drain()
            stamp_ns = self._newest_stamp_ns(source)
            if stamp_ns is None:
                return None
            newest.append(stamp_ns)
        if newest[0] <= before_ns or any(stamp != newest[0] for stamp in newest):
            return None
        return newest[0]

    def _newest_stamp_ns(self, source: int) -> int | None:
        queue = self._queues[source]
        if queue:
            return self.engine.stamp_ns(source, queue[-1].data)
        latched = self.state.latched[source]
        return latched.stamp_ns if latched is not None else None

    @property
    def topics(self) -> list[str]:
        """Return the fully qualified topic of each source."""
        return [feed.topic.name for feed in self._feeds]

    def held(self) -> list[tuple[str, Received | Latched]]:
        """
        Return what the next tick begins with and is not the newest message of its topic, by topic.

        There is such a thing only where messages have been taken since its last tick: by another
        session's, or by one of its own that waits for the policy's answer.
        """
        return [
            (feed.topic.name, one)
            for feed, newest, queue in zip(self._feeds, self.state.latched, self._queues)
            if queue
            for one in (newest, *queue[:-1])
            if one is not None
        ]

    def tick(self, due: Due, ros_now_ns: Callable[[], int]) -> TickRecord:
        """
        Run a whole tick, and wait for the policy's answer where it is asked.

        :param due: the tick's release.
        :param ros_now_ns: reads the ROS clock.
        """
        begun = self.begin_tick(due, ros_now_ns)
        concluded = self.conclude_tick(begun, self.asked(begun.request, begun.begin_ns))
        self.account(concluded)
        return concluded.record

    def begin_tick(self, due: Due, ros_now_ns: Callable[[], int]) -> Begun:
        """
        Take what has come and make the policy's request of it.

        The tick changes nothing before it is concluded: one that never is leaves its messages to
        the next one.

        :param due: the tick's release.
        :param ros_now_ns: reads the ROS clock.
        """
        begin_ns = time.monotonic_ns()
        for feed in self._feeds:
            feed.drain()
        messages = tuple(map(tuple, self._queues))
        sampled_ns = time.monotonic_ns()
        episode, self._episode = self._episode, None
        stop, self._stop = self._stop, ''
        choice, self._choice = self._choice, None
        if not self._in_lockstep:
            ros_ns = ros_now_ns()
            inputs = TickInputs(messages, due.ns, sampled_ns, ros_ns, episode, stop, choice)
        else:
            messages = tuple(arrived_at(due.ns, taken) for taken in messages)
            inputs = TickInputs(messages, due.ns, due.ns, due.ns, episode, stop, choice)
        newest = self.engine.decode(inputs, self.state)
        decoded_ns = time.monotonic_ns()
        request = self.engine.observe(inputs, self.state, newest)
        return Begun(due, request, begin_ns, sampled_ns, decoded_ns, time.monotonic_ns())

    def conclude_tick(self, begun: Begun, answered: Answered) -> Concluded:
        """
        Publish the commands of a tick.

        :param begun: the tick.
        :param answered: what the policy answered to its request; ``NOT_ASKED`` where that has no
            observation.
        """
        answered_ns = time.monotonic_ns()
        request, due = begun.request, begun.due
        record, self.state = self.engine.conclude(request, answered.answer, self.state)
        for queue, taken in zip(self._queues, request.inputs.messages):
            del queue[: len(taken)]
        concluded_ns = time.monotonic_ns()
        outlets = self._outlets
        assert outlets is not None
        for publish, data, index in zip(outlets.commands, record.commands, record.command_indices):
            if data is not None:
                publish(data, index)
        published_ns = time.monotonic_ns()
        infer_ns = answered_ns - begun.observed_ns if request.observation is not None else 0
        timing = Timing(  # by place: see ``immutable``
            due.lateness_ns,
            due.wait_ns,
            begun.sampled_ns - begun.begin_ns,
            begun.decoded_ns - begun.sampled_ns,
            begun.observed_ns - begun.decoded_ns,
            infer_ns,
            concluded_ns - answered_ns,
            published_ns - concluded_ns,
            self._record_ns,
            due.skipped,
            answered.worker,
            answered.batch_size,
            answered.batch_row,
        )
        return Concluded(record, timing, begun)

    def account(self, tick: Concluded) -> None:
        """Count, record and tell what happened in a tick; after the commands are out."""
        began_ns = time.monotonic_ns()
        outlets = self._outlets
        assert outlets is not None
        self._account(tick.record, tick.timing, tick.begun.request, tick.begun.begin_ns, outlets)
        self._record_ns = time.monotonic_ns() - began_ns

    def asked(self, request: Request, since_ns: int | None = None) -> Answered:
        """
        Run the policy, or the second one whose turn it is, and wait for it.

        :param request: with or without an observation.
        :param since_ns: when the time of a worker began, on the steady clock; now if left out.
        """
        if request.observation is None:
            return NOT_ASKED
        policy, row = self.asks(request)
        if policy.is_alone:
            return policy.answer(request)
        policy.ask([(row, request)], since_ns)
        (answered,) = policy.answers() or (NOT_ASKED,)
        return answered

    def asks(self, request: Request) -> tuple[SharedPolicy, int]:
        """Return the policy that a request is for, and its row there."""
        second = request.second
        return (self.policy, self.row) if second is None else (self._policies[second.name], 0)

    def _account(
        self, record: TickRecord, timing: Timing, request: Request, begin_ns: int, outlets: Outlets
    ) -> None:
        self.ages_ns = request.ages_ns
        fault = record.mode in (Mode.FALLBACK, Mode.STOPPED)
        self.statistics.add(begin_ns, timing, record.answer, fault)
        if outlets.record is not None:
            assert self._codec is not None
            data = self._codec.encode(record, timing)
            outlets.record(data, record.tick + 1)
        if record.episode_start:
            start = request.inputs.episode
            values: Sequence[tuple[str, str]] = start.metadata if start is not None else ()
            outlets.event('episode_started', record, [('seed', str(record.episode.seed)), *values])
        if record.mode is not self._last_mode:
            outlets.event('mode_changed', record, ())
            self._last_mode = record.mode
        if record.chosen != self._last_chosen:
            outlets.event('policy_chosen', record, self._choice_of(record, request))
            self._last_chosen = record.chosen
        asked = '' if request.second is None else request.second.name
        if timing.worker > self._workers[asked]:
            self._workers[asked] = timing.worker
            values = describe_replacement(self._policies[asked].backend)
            outlets.event('worker_replaced', record, [*values, ('policy', record.policy)])

    def _choice_of(self, record: TickRecord, request: Request) -> list[tuple[str, str]]:
        """Return which policy was chosen in place of which, and why: for an event."""
        choice = request.inputs.policy
        return [
            ('chosen', record.chosen),
            ('policy', self.engine.reference(record.chosen)),
            ('before', self.engine.reference(self._last_chosen)),
            ('cause', '' if choice is None else choice.cause),
        ]
