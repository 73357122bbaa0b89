"""What was seen of a live robot: plain data, so that every check is a function of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..pipeline.messages import Messages
from ..policy.bundle import Bundle
from ..policy.contract import Contract
from ..session.wiring import SessionWiring


@dataclasses.dataclass(frozen=True)
class Case:
    """
    One session that is examined.

    :param bundle: its policy bundle.
    :param wiring: its wiring.
    :param messages: the message types.
    :param frame_prefix: put before the contract's frame names, for instance ``r1/``.
    """

    bundle: Bundle
    wiring: SessionWiring
    messages: Messages
    frame_prefix: str = ''

    @property
    def contract(self) -> Contract:
        """Return what the policy sees and does."""
        return self.bundle.contract


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """
    A publisher or a subscriber of a topic.

    :param node: full name of its node.
    :param type: its message type.
    :param reliability: ``reliable`` or ``best_effort``.
    :param durability: ``transient_local`` or ``volatile``.
    """

    node: str
    type: str
    reliability: str = 'reliable'
    durability: str = 'volatile'


@dataclasses.dataclass(frozen=True)
class Sample:
    """
    One message that came.

    :param arrival_ns: when, on the steady clock.
    :param ros_ns: when, on the ROS clock.
    :param stamp_ns: its ``header.stamp``; None where its type has no header.
    :param data: its CDR bytes; None where there were too many to keep.
    """

    arrival_ns: int
    ros_ns: int
    stamp_ns: int | None
    data: bytes | None


@dataclasses.dataclass(frozen=True)
class Topic:
    """
    A topic of the wiring as the graph has it.

    :param name: resolved.
    :param publishers: all but those of the session itself.
    :param subscribers: all but those of the session itself.
    :param samples: what came, oldest first.
    """

    name: str
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclasses.dataclass(frozen=True)
class Clock:
    """
    The clocks of the graph.

    :param followed: ROS time is that of ``/clock`` (``use_sim_time``).
    :param published: somebody publishes ``/clock``.
    :param published_ns: the newest ``/clock``; None when none came.
    :param system_ns: the system clock at the end of the survey.
    """

    followed: bool = False
    published: bool = False
    published_ns: int | None = None
    system_ns: int = 0


@dataclasses.dataclass(frozen=True)
class Controller:
    """
    Who listens to a command topic, as its parameters describe it.

    :param node: full name.
    :param state: as the controller manager has it; empty where there is none that knows it.
    :param joints: its parameter ``joints``; empty for a node that has none.
    :param interfaces: what it commands, such as ``position``; empty where it does not say.
    :param timeouts: its parameters that say how long after the last command it stops, seconds.
    """

    node: str
    state: str = ''
    joints: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    timeouts: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class JointReading:
    """A ``JointState`` that is published somewhere: positions and velocities by joint name."""

    position: Mapping[str, float]
    velocity: Mapping[str, float]


def second_name(session: str, second: str) -> str:
    """Return by what name the times of a second policy are kept."""
    return f'{session}.fallback.{second}'


@dataclasses.dataclass(frozen=True)
class Survey:
    """
    Everything that was seen.

    :param duration_ns: for how long messages were collected; 0 for first messages only.
    :param end_ns: steady clock at its end.
    :param topics: the topics of the wiring by their names there.
    :param published: every topic of the graph that somebody publishes, with its types.
    :param subscribed: likewise every topic that somebody subscribes to.
    :param clock: the clocks.
    :param robot_description: the robot's URDF; empty without one.
    :param controllers: who listens, by the command topic's name in the wiring.
    :param controllers_problem: why nothing is known about controllers; empty when it is.
    :param joint_states: the newest message of every ``JointState`` topic, by resolved name.
    :param inference_ns: how long the policy took to answer, by session; a second one by
        ``second_name``.
    :param inference_problem: why that was not measured, by the same.
    :param tick_ns: how long the stages of a tick took, by session and stage.
    :param in_loop: the sessions whose policy the loop itself runs, and not a worker.
    """

    duration_ns: int
    end_ns: int
    topics: Mapping[str, Topic]
    published: Mapping[str, tuple[str, ...]]
    subscribed: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    clock: Clock = Clock()
    robot_description: str = ''
    controllers: Mapping[str, tuple[Controller, ...]] = dataclasses.field(default_factory=dict)
    controllers_problem: str = ''
    joint_states: Mapping[str, JointReading] = dataclasses.field(default_factory=dict)
    inference_ns: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    inference_problem: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tick_ns: Mapping[str, Mapping[str, tuple[int, ...]]] = dataclasses.field(default_factory=dict)
    in_loop: frozenset[str] = frozenset()
