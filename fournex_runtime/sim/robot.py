"""
What a simulated robot is to the rest: sensors, commands, a step, a task.

A robot is plain MuJoCo and numpy, with no ROS import: the ROS node (``sim/node.py``) puts it on
topics in real time or in lockstep, ``fournex evaluate`` steps it in its own process, and the
training environments in ``examples/`` use its numbers directly. All three see one robot.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class Sensor:
    """
    One topic that a robot publishes.

    :param topic: relative topic name.
    :param type: message type, for instance ``sensor_msgs/msg/LaserScan``.
    :param period_ns: simulated time between two messages, a multiple of the robot's ``step_ns``;
        0 for a latched topic that is published when ``revision(topic)`` changes.
    """

    topic: str
    type: str
    period_ns: int

    @property
    def latched(self) -> bool:
        """Return whether late subscribers get the last message (transient local)."""
        return self.period_ns == 0


@dataclasses.dataclass(frozen=True)
class CommandTopic:
    """
    One topic that a robot obeys.

    :param topic: relative topic name.
    :param type: message type.
    :param timeout_ns: simulated time after the last command at which the robot stops by itself.
    """

    topic: str
    type: str
    timeout_ns: int


@dataclasses.dataclass(frozen=True)
class Outcome:
    """
    How the task of the present episode stands.

    :param done: the episode is over.
    :param success: it ended as it should.
    :param detail: figures for the evaluation table by name with the unit in the name, for
        instance ``{'tip_error_m': 0.012}``.
    """

    done: bool
    success: bool
    detail: dict[str, float]


class Robot(abc.ABC):
    """A simulated robot with a task. Deterministic: same seed and commands, same bits."""

    name: ClassVar[str]
    step_ns: ClassVar[int]
    """Simulated time of one ``step()``."""
    control_ns: ClassVar[int]
    """The control period that the robot's policy was trained for."""
    sensors: ClassVar[tuple[Sensor, ...]]
    commands: ClassVar[tuple[CommandTopic, ...]]

    @abc.abstractmethod
    def reset(self, seed: int) -> None:
        """Begin an episode: a start state and a task drawn from ``seed`` alone."""

    @abc.abstractmethod
    def command(self, topic: str, message: Any) -> None:
        """
        Take a command; it acts from the next step on.

        :param topic: one of ``commands``.
        :param message: a message object with the fields of the topic's type. A command that is
            not finite or of the wrong size is ignored, as a robot's driver would.
        """

    @abc.abstractmethod
    def step(self) -> None:
        """Advance by ``step_ns``; without a command for its ``timeout_ns``, stop by itself."""

    @abc.abstractmethod
    def sense(self, topic: str, stamp_ns: int) -> Any:
        """
        Return the present message of a sensor topic.

        :param stamp_ns: for ``header.stamp``, on the clock that the caller publishes by.
        """

    @abc.abstractmethod
    def revision(self, topic: str) -> int:
        """Return a number that changes when a latched topic has a new value."""

    @abc.abstractmethod
    def take_reward(self) -> float:
        """Return the reward gathered since the last call (the sum over the steps)."""

    @abc.abstractmethod
    def outcome(self) -> Outcome:
        """Return how the present episode stands."""

    @abc.abstractmethod
    def picture(self) -> dict[str, Any]:
        """
        Return what a drawing of a run needs besides the bag, as plain JSON data.

        For instance the rover's walls and obstacles in metres.
        """
