"""
What goes into a tick and what comes out of it, as plain data.

Everything that is not deterministic about a tick (which messages had come, the clocks, whether the
policy answered) is in :class:`TickInputs` and :class:`Answer`; measured durations are apart, in
:class:`Timing`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..immutable import immutable
from ..pipeline.observation import History, LastAction, Observation
from ..pipeline.transforms import FrameTree
from ..safety.reactions import Fault, Step
from .chunk_player import Playing

Arrays = Mapping[str, NDArray[Any]]
Vector = NDArray[np.float64]
SafeAction = tuple[Vector | None, ...]
"""What each action term commands within its limits; None for a term that commands nothing."""


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array made read-only: states and records share it."""
    array.setflags(write=False)
    return array


class Mode(enum.IntEnum):
    """What a session does now; the numbers of ``fournex_msgs/Tick``."""

    STANDBY = 0
    POLICY = 1
    FALLBACK = 2
    STOPPED = 3
    MANUAL = 4


class AnswerKind(enum.IntEnum):
    """How the policy answered; the numbers of ``fournex_msgs/Tick``."""

    NONE = 0
    RESULT = 1
    LATE = 2
    FAILED = 3
    BELATED = 4


ANSWERED = (AnswerKind.RESULT, AnswerKind.BELATED)
"""Answers that hold outputs."""


@immutable
class Received:
    """
    One message as a tick took it.

    :param index: its number on the topic, in the order of taking, from 1.
    :param arrival_ns: when it arrived, steady clock.
    :param data: CDR bytes.
    """

    index: int
    arrival_ns: int
    data: bytes


@immutable
class EpisodeStart:
    """A request to begin an episode: its id, its seed, and metadata for its event."""

    id: str
    seed: int
    metadata: tuple[tuple[str, str], ...] = ()


@immutable
class PolicyChoice:
    """
    Which policy of a session is to act: its name in the wiring, empty for the session's own.

    ``cause`` says who wants it, or why; for its event.
    """

    name: str
    cause: str = ''


@immutable
class TickInputs:
    """
    Everything a tick is given.

    :param messages: for each source what was taken since the tick before, newest last.
    :param due_ns: scheduled release, steady clock.
    :param steady_ns: steady clock when the sources were sampled.
    :param ros_ns: ROS clock at the same instant.
    :param episode: begin an episode with this tick.
    :param stop: stop with this cause; empty for no stop.
    :param policy: which policy is to act from this tick on; None: the one that was to.
    """

    messages: tuple[tuple[Received, ...], ...]
    due_ns: int
    steady_ns: int
    ros_ns: int
    episode: EpisodeStart | None = None
    stop: str = ''
    policy: PolicyChoice | None = None


@immutable
class Latched:
    """
    The newest message of a source.

    :param index: its number on the topic.
    :param arrival_ns: when it arrived, steady clock.
    :param stamp_ns: its ``header.stamp``; 0 where its type has no header.
    :param data: CDR bytes.
    :param problem: why they cannot be decoded; empty when they can.
    """

    index: int
    arrival_ns: int
    stamp_ns: int
    data: bytes
    problem: str = ''


Newest = tuple[Latched | None, ...]
"""The newest message of each source; None before the first."""


@immutable
class Episode:
    """The episode that a session is in: ticks and return so far."""

    id: str = ''
    seed: int = 0
    tick: int = 0
    total: float = 0.0


@immutable
class Manual:
    """
    What operators command in place of the policy.

    :param cause: who, and on which topics.
    :param values: what each action term is to be, before the limits; None where nobody says it.
    :param fault: why it cannot be done, and in which words; None when it can.
    """

    cause: str
    values: SafeAction
    fault: tuple[Fault, str] | None


@immutable
class Reacting:
    """
    A fault that a session reacts to.

    :param kind: its kind.
    :param words: what is wrong.
    :param of_policy: the policy itself is at fault, not what it is given.
    :param since_ns: steady time of the first tick of a fault, whatever its kind.
    :param step: what is done about it.
    :param begun_ns: steady time at which that began.
    :param from_safe: what was commanded last before the session went on that way; of a ramp.
    :param from_ns: steady time of the first tick that did; of a ramp.
    :param well_since_ns: steady time since which nothing is wrong any more; None: something is.
    :param given_up: second policies that could not act either, and since when.
    """

    kind: Fault
    words: str
    of_policy: bool
    since_ns: int
    step: Step
    begun_ns: int
    from_safe: SafeAction | None = None
    from_ns: int = 0
    well_since_ns: int | None = None
    given_up: tuple[tuple[str, int], ...] = ()

    @property
    def cause(self) -> str:
        """Return why the policy does not act, for records."""
        return f'{self.kind.value}: {self.words}'


@immutable
class Second:
    """
    What a second policy remembers while it acts, or is held for as long as a fault lasts.

    :param name: its name in the wiring.
    :param tick: how many ticks ago it took over.
    :param history: past values of its terms that have a history.
    :param last_action: its action of the tick before.
    :param recurrent: its recurrent state by name.
    :param chunk: actions that it gave and that are still to be played; usually None.
    """

    name: str
    tick: int
    history: History
    last_action: LastAction
    recurrent: Arrays
    chunk: Playing | None = None


@immutable
class SoftStart:
    """
    A policy that takes over little by little.

    :param since_ns: steady time at which it began to.
    :param from_safe: what each term was at then; None for a term that nobody knows it of. Empty
        where it has not begun: the policy was to take over, and something was wrong.
    """

    since_ns: int = 0
    from_safe: SafeAction = ()


@immutable
class SessionState:
    """
    All that a session remembers from one tick to the next; never changed, only replaced.

    :param tick: number of the next tick.
    :param mode: what the session does.
    :param cause: why it is not ``POLICY``; empty in ``POLICY``.
    :param episode: the present episode, with the number of its next tick.
    :param latched: newest message of each source; None before the first.
    :param history: past values of the terms that have a history.
    :param last_action: the policy's action of the tick before.
    :param recurrent: recurrent state by name.
    :param last_safe: last command of each action term; None before the first.
    :param before_safe: the command before that; the same where the robot was given time to stand.
    :param reacting: the fault that is reacted to; None without one, and when stopped.
    :param soft_start: of a policy that has not taken over wholly yet; usually None.
    :param chosen: the second policy that is to act when nothing is wrong; empty: its own.
    :param second: a second policy that acts; usually None.
    :param fresh_ns: steady time of the last tick that made a new command; 0 before.
    :param commands: how many commands each target has been sent.
    :param chunk: actions that the policy gave and that are still to be played; usually None.
    :param frames: where frames are.
    :param late: inputs and recurrent state that the policy was asked with in the tick before, if
        its answer was late and may still be used; usually None.
    """

    tick: int
    mode: Mode
    cause: str
    episode: Episode
    latched: Newest
    history: History
    last_action: LastAction
    recurrent: Arrays
    last_safe: SafeAction | None
    commands: tuple[int, ...]
    before_safe: SafeAction | None = None
    reacting: Reacting | None = None
    soft_start: SoftStart | None = None
    chosen: str = ''
    second: Second | None = None
    fresh_ns: int = 0
    chunk: Playing | None = None
    frames: FrameTree = FrameTree()
    late: tuple[Arrays, Arrays] | None = None

    @property
    def awaits_soft_start(self) -> bool:
        """Return whether the policy is to take over softly, and has not begun to."""
        return self.soft_start is not None and not self.soft_start.from_safe


@immutable
class Request:
    """
    What ``observe`` made of a tick's inputs; ``observation`` is what the policy is asked with.

    :param inputs: the tick's inputs.
    :param latched: newest message of each source, this tick's included.
    :param ages_ns: age of each source; -1 before its first message.
    :param observation: None when the policy is not to be asked.
    :param episode: the episode of this tick.
    :param started: the tick begins the episode.
    :param recurrent: recurrent state to run with.
    :param reward: reward received since the tick before.
    :param waiting: what the session waits for in standby; empty when it has everything.
    :param fault: what is wrong with the inputs, and in which words; None when nothing is.
    :param playing: the chunk that this tick plays on instead of asking the policy; usually None.
    :param history: what the history becomes in such a tick.
    :param frames: where frames are, with what the tick was told.
    :param stop: who asks for a stop, and why; empty when nobody does.
    :param manual: what operators command; None when none does.
    :param awaits_late: the answer to the tick before, late then, may be used.
    :param second: what a second policy is asked; ``observation`` and ``recurrent`` are then its.
    """

    inputs: TickInputs
    latched: Newest
    ages_ns: tuple[int, ...]
    observation: Observation | None
    episode: Episode
    started: bool
    recurrent: Arrays
    reward: float
    waiting: str
    fault: tuple[Fault, str] | None
    playing: Playing | None
    history: History
    frames: FrameTree
    stop: str = ''
    manual: Manual | None = None
    awaits_late: bool = False
    second: SecondRequest | None = None


@immutable
class SecondRequest:
    """
    What a second policy is asked in place of the session's own.

    :param name: its name in the wiring.
    :param request: its request; ``fault`` is what is wrong with its own inputs.
    :param state: what the session remembers, as the second policy has it.
    :param chosen: it was chosen, and acts as the session's own would; else it reacts to a fault.
    """

    name: str
    request: Request
    state: SessionState
    chosen: bool


@immutable
class Answer:
    """
    What came of asking the policy.

    :param kind: how it answered.
    :param outputs: by artifact name; only for ``RESULT`` and ``BELATED``.
    :param state: next recurrent state by name; likewise.
    :param problem: what went wrong, in words; only for ``LATE`` and ``FAILED``.
    """

    kind: AnswerKind
    outputs: Arrays = dataclasses.field(default_factory=dict)
    state: Arrays = dataclasses.field(default_factory=dict)
    problem: str = ''


@immutable
class TickInput:
    """What one source had given when the tick sampled it; see ``fournex_msgs/TickInput``."""

    last_index: int
    arrival_ns: int
    stamp_ns: int
    age_ns: int


@immutable
class Timing:
    """What was measured about a tick, in nanoseconds; see ``fournex_msgs/TickTiming``."""

    lateness_ns: int = 0
    wait_ns: int = 0
    take_ns: int = 0
    decode_ns: int = 0
    observe_ns: int = 0
    infer_ns: int = 0
    conclude_ns: int = 0
    publish_ns: int = 0
    record_ns: int = 0
    skipped: int = 0
    worker: int = 0
    batch_size: int = 0
    batch_row: int = 0


@immutable
class TickRecord:
    """
    One tick, consumed and produced; see ``fournex_msgs/Tick`` for each field.

    ``commands`` holds the bytes to publish for each target, in the wiring's order, and None where
    one gets nothing; it is empty when the tick publishes nothing. In a bag they are the messages
    on the command topics, and ``command_indices`` are their numbers, 0 where there is none.
    """

    tick: int
    due_ns: int
    episode: Episode
    episode_start: bool
    steady_ns: int
    ros_ns: int
    stop_requested: bool
    inputs: tuple[TickInput, ...]
    answer: AnswerKind
    mode: Mode
    cause: str
    observation: Arrays
    state: Arrays
    raw_action: Arrays
    safe_action: Arrays
    limited: tuple[str, ...]
    commands: tuple[bytes | None, ...]
    command_indices: tuple[int, ...]
    reward: float
    policy: str = ''
    chosen: str = ''
