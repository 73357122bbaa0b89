"""What a wiring says, as plain data."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from ..configuration import FOREVER_NS
from ..pipeline.joint_names import JointNames
from ..pipeline.ports import FramePort, Port, Source, Target
from ..policy.bundle import Bundle
from ..policy.inference import DEFAULT_INFERENCE, Inference
from ..safety.limits import Limits
from ..safety.reactions import Reactions
from .realtime import AS_IT_COMES, Realtime
from .wiring_record import EVERYTHING, RecordWiring


@dataclasses.dataclass(frozen=True)
class StopCommand:
    """
    What is commanded by one action term when the session stops.

    :param values: in the unit of the action term; None: the last safe command once more.
    """

    values: tuple[float, ...] | None


@dataclasses.dataclass(frozen=True)
class Override:
    """
    A topic on which an operator commands instead of the policy.

    :param name: its name in the wiring.
    :param source: index of its source.
    :param target: index of the command topic that it stands for, and whose type it has.
    :param priority: of several that command, the greatest goes first.
    :param timeout_ns: how long after its last message it has given back.
    """

    name: str
    source: int
    target: int
    priority: int
    timeout_ns: int


@dataclasses.dataclass(frozen=True)
class StopTopic:
    """
    A topic that stops the session.

    :param name: its name in the wiring.
    :param source: index of its source.
    :param holds: it says whether to stop; else each of its messages stops.
    :param timeout_ns: how long it may be silent; then the session stops, too.
    """

    name: str
    source: int
    holds: bool
    timeout_ns: int


@dataclasses.dataclass(frozen=True)
class FramesWiring:
    """
    Where a session learns where frames are.

    :param budget_ns: greatest age of a transform that can move.
    :param tf: index of the source of transforms.
    :param tf_static: index of the source of those that cannot.
    """

    budget_ns: int
    tf: int
    tf_static: int


@dataclasses.dataclass(frozen=True)
class SessionWiring:
    """
    The wiring of one session.

    :param name: its name in the wiring.
    :param sources: the topics that it samples, each once.
    :param ports: how the observation terms read them.
    :param targets: the command topics, each once, by the first term that goes there.
    :param term_targets: where each action term goes, in the contract's order.
    :param stops: the stop command of each action term, same order.
    :param limits: the limits of each action term, same order.
    :param reactions: what happens on each kind of fault.
    :param poses: by name and by action term, where ramps may go, in the unit of the term.
    :param fallbacks: policies that can act when its own cannot, or when they are chosen.
    :param command_timeout_ns: how old a command may be that is said again.
    :param overrides: where operators command.
    :param stop_topics: where the session is stopped.
    :param soft_start_ns: how long the policy takes to take over; 0: none.
    :param reward: index of the source of the reward, and its field; None without one.
    :param lockstep: indices of the sources that must carry one stamp, the trigger first; empty
        for a session that is paced by its period.
    :param phase: index of the source whose stamps the releases follow, and how long after them
        these are, nanoseconds; None for a session that follows none.
    :param joint_names: what the robot calls the contract's joints.
    :param inference: with what its policy is run.
    :param start_tolerance: how far each joint may be from the contract's start pose when the
        session begins, in the joint's unit; empty where the wiring does not say.
    :param frame_ports: the observation terms' ports that are frames instead of topics.
    :param frames: where they, and frames that differ, are looked up; None: nowhere.
    """

    name: str
    sources: tuple[Source, ...]
    ports: tuple[Port, ...]
    targets: tuple[Target, ...]
    term_targets: tuple[Target, ...]
    stops: tuple[StopCommand, ...]
    limits: tuple[Limits, ...]
    reactions: Reactions
    reward: tuple[int, str] | None
    lockstep: tuple[int, ...]
    phase: tuple[int, int] | None = None
    joint_names: JointNames = JointNames()
    inference: Inference = DEFAULT_INFERENCE
    start_tolerance: Mapping[str, float] = dataclasses.field(default_factory=dict)
    frame_ports: tuple[FramePort, ...] = ()
    frames: FramesWiring | None = None
    poses: Mapping[str, Mapping[str, tuple[float, ...]]] = dataclasses.field(default_factory=dict)
    soft_start_ns: int = 0
    command_timeout_ns: int = FOREVER_NS
    overrides: tuple[Override, ...] = ()
    stop_topics: tuple[StopTopic, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()

    def beside(self, source: int) -> str:
        """Return what a source is for beside observation terms; empty for nothing else."""
        if self.reward is not None and self.reward[0] == source:
            return 'reward'
        if source in self.tf_sources:
            return 'frames'
        for key, ones in (('overrides', self.overrides), ('stop_topics', self.stop_topics)):
            names = [one.name for one in ones if one.source == source]
            if names:
                return f'{key}.{", ".join(names)}'
        for one in self.fallbacks:
            labels = [port.label for port in one.wiring.ports if port.source == source]
            if labels:
                return f'fallback.{one.name}.inputs.{", ".join(labels)}'
        return ''

    @property
    def needed(self) -> tuple[int, ...]:
        """Return the indices of the sources without a message of which nothing is commanded."""
        return tuple(sorted({*(port.source for port in self.ports), *self.heard}))

    @property
    def heard(self) -> tuple[int, ...]:
        """Return which of them no policy reads: stop topics that are not to fall silent."""
        heard = {one.source for one in self.stop_topics if one.timeout_ns < FOREVER_NS}
        return tuple(sorted(heard))

    @property
    def of_operators(self) -> tuple[int, ...]:
        """Return the indices of the sources that nobody waits for: overrides, stop topics."""
        silent = [one.source for one in self.stop_topics if one.timeout_ns >= FOREVER_NS]
        return (*(one.source for one in self.overrides), *silent)

    @property
    def tf_sources(self) -> tuple[int, ...]:
        """Return the indices of the sources of transforms; empty without frames."""
        return () if self.frames is None else (self.frames.tf, self.frames.tf_static)

    @property
    def remembered_ns(self) -> Mapping[int, int]:
        """Return for how long messages matter that are not the newest, by source."""
        if self.frames is None:
            return {}
        return {self.frames.tf: self.frames.budget_ns, self.frames.tf_static: FOREVER_NS}


@dataclasses.dataclass(frozen=True)
class Fallback:
    """
    A second policy of a session.

    :param name: its name in the wiring.
    :param bundle: the policy bundle.
    :param wiring: how it is wired: the session's wiring with its own inputs, and nothing of what
        only the session decides.
    :param unchoosable: why it cannot be chosen; empty where it can.
    """

    name: str
    bundle: Bundle
    wiring: SessionWiring
    unchoosable: str = ''


@dataclasses.dataclass(frozen=True)
class Wiring:
    """
    A whole wiring file with the policy bundles that it names.

    :param file: where it was read from.
    :param robot: name of the robot.
    :param sessions: the wirings of its sessions, in the order of the file.
    :param bundles: the policy bundle of each session, by session name.
    :param text: the file, whole, with what was read of URDFs in place of their names.
    :param realtime: what the control loop asks of the kernel.
    :param record: how recordings are made.
    """

    file: pathlib.Path
    robot: str
    sessions: tuple[SessionWiring, ...]
    bundles: Mapping[str, Bundle]
    text: str
    realtime: Realtime = AS_IT_COMES
    record: RecordWiring = EVERYTHING
