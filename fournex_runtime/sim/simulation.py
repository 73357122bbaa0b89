"""A robot with a clock: which messages are due, what a command says, which episode it is."""

from __future__ import annotations

from typing import Any

from ..errors import MessageError
from ..pipeline.messages import messages
from .robot import Robot
from .sensor_messages import JOINT_TRAJECTORY, header

START_NS = 1_000_000_000
"""Simulated time at the start; not zero, which in ROS means that there is no time yet."""
STATUS = 'fournex_msgs/msg/SimulationStatus'


class Simulation:
    """
    Runs one robot and codes its messages; knows no topic names but the robot's own, and no ROS.

    :param robot: the robot.
    :param seed: of the first episode.
    :param frame_prefix: put before every frame id that is not empty.
    :param hold_start: an episode begins to move with its first command, as if a hand held the
        robot until then; its sensors go on meanwhile.
    """

    def __init__(
        self, robot: Robot, seed: int, frame_prefix: str = '', hold_start: bool = False
    ) -> None:
        self.robot = robot
        self._hold_start = hold_start
        self.time_ns = START_NS
        """Simulated time; never goes back."""
        self.episode = 0
        """Number of episodes begun."""
        self._prefix = frame_prefix
        self._types = {sensor.topic: sensor.type for sensor in robot.sensors}
        self._types.update((command.topic, command.type) for command in robot.commands)
        self._headed = {
            topic for topic, kind in self._types.items() if messages().has_header(kind)
        }
        self._latched = [sensor for sensor in robot.sensors if sensor.latched]
        # What has no stamp first: who waits for the stamps of the others then has it too.
        self._periodic = sorted(
            (sensor for sensor in robot.sensors if not sensor.latched),
            key=lambda sensor: sensor.topic in self._headed,
        )
        self.reset(seed)

    @property
    def control_steps(self) -> int:
        """Return the steps of one control period."""
        return self.robot.control_ns // self.robot.step_ns

    def reset(self, seed: int) -> None:
        """Begin an episode; every sensor is due at once."""
        self.robot.reset(seed)
        self.seed = seed
        self.episode += 1
        self._held = self._hold_start
        self._begun_ns = self.time_ns
        self._moved_ns = 0
        self._due_ns = {sensor.topic: 0 for sensor in self._periodic}
        self._revisions: dict[str, int] = {}

    def step(self, count: int) -> None:
        """Advance by so many steps of the robot; only the time, while the robot is held."""
        duration_ns = count * self.robot.step_ns
        self.time_ns += duration_ns
        if not self._held:
            for _ in range(count):
                self.robot.step()
            self._moved_ns += duration_ns

    def messages_due(self, stamp_ns: int) -> list[tuple[str, bytes]]:
        """
        Return topic and CDR bytes of each message that is due now: latched ones first.

        A sensor whose time came more than once since the last call gives one message.

        :param stamp_ns: what the messages are stamped with.
        """
        topics = []
        for sensor in self._latched:
            revision = self.robot.revision(sensor.topic)
            if self._revisions.get(sensor.topic) != revision:
                self._revisions[sensor.topic] = revision
                topics.append(sensor.topic)
        since_ns = self.time_ns - self._begun_ns
        for sensor in self._periodic:
            if self._due_ns[sensor.topic] <= since_ns:
                periods = since_ns // sensor.period_ns + 1
                self._due_ns[sensor.topic] = periods * sensor.period_ns
                topics.append(sensor.topic)
        return [(topic, self._sense(topic, stamp_ns)) for topic in topics]

    def _sense(self, topic: str, stamp_ns: int) -> bytes:
        message = self.robot.sense(topic, stamp_ns)
        if self._prefix and topic in self._headed:
            if message.header.frame_id:
                message.header.frame_id = self._prefix + message.header.frame_id
            if getattr(message, 'child_frame_id', ''):
                message.child_frame_id = self._prefix + message.child_frame_id
        return messages().encode(message, self._types[topic])

    def read_command(self, topic: str, data: bytes) -> Any | None:
        """Return the message of a command, or None for bytes that are none."""
        try:
            return messages().decode(data, self._types[topic])
        except MessageError:
            return None

    def obey(self, topic: str, message: Any) -> None:
        """Give a command to the robot, which lets go of it."""
        self._held = False
        self.robot.command(topic, message)

    def stamp_ns(self, topic: str, message: Any) -> int | None:
        """
        Return the time that a command was made for, or None where it does not say.

        It does not where its type has no header, nor with a trajectory stamped zero, which by
        convention is to begin at once.
        """
        if topic not in self._headed:
            return None
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        return None if stamp_ns == 0 and self._types[topic] == JOINT_TRAJECTORY else stamp_ns

    @property
    def stamped_commands(self) -> bool:
        """Return whether every command says the time that it was made for."""
        return all(
            command.topic in self._headed and command.type != JOINT_TRAJECTORY
            for command in self.robot.commands
        )

    def standing(self) -> tuple[int, bool, bool]:
        """Return episode, done and success: what a status is published for when it changes."""
        outcome = self.robot.outcome()
        return self.episode, outcome.done, outcome.success

    def status(self, stamp_ns: int) -> bytes:
        """Return the CDR bytes of a ``fournex_msgs/msg/SimulationStatus``."""
        outcome = self.robot.outcome()
        entry = messages().type('diagnostic_msgs/msg/KeyValue')
        status = messages().type(STATUS)(
            header=header('', stamp_ns),
            robot=self.robot.name,
            seed=self.seed,
            episode=self.episode,
            time=self._moved_ns / 1e9,
            done=outcome.done,
            success=outcome.done and outcome.success,
            detail=[
                entry(key=name, value=f'{value:.9g}') for name, value in outcome.detail.items()
            ],
        )
        return messages().encode(status, STATUS)
