"""What the demo sees of a run: the status topics of simulator and runtime, and their services."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile

from fournex_msgs.msg import SessionStatus, SimulationStatus
from fournex_msgs.srv import ResetEpisode

from ..configuration import FOREVER_NS
from ..errors import FournexError, GraphError
from ..ros.visitor import Visitor
from ..session.tick import Mode
from ..session.wiring import SessionWiring
from .demo_tasks import Task

_SERVICE_TIMEOUT_S = 10.0


class Watch(Visitor):
    """
    The demo's own node; a context manager.

    :param session: the session to watch.
    :param alive: raises an error when a process of the demo is gone.
    """

    def __init__(self, session: SessionWiring, alive: Callable[[], None]) -> None:
        super().__init__('fournex_demo')
        self._session = session.name
        self._budgeted = {
            session.sources[port.source].topic
            for port in session.ports
            if port.budget_ns < FOREVER_NS
        }
        self._alive = alive
        self.status: Any = None
        """The newest ``fournex_msgs/SessionStatus``; None before the first."""
        self.statuses = 0
        """How many of these have come."""
        self.simulation: Any = None
        """The newest ``fournex_msgs/SimulationStatus``; None before the first."""

    def __enter__(self) -> Watch:
        """Join the ROS graph."""
        super().__enter__()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(
            SessionStatus, f'/fournex/{self._session}/status', self._take_status, 5
        )
        self._node.create_subscription(
            SimulationStatus, '/sim/status', self._take_simulation, latched
        )
        self._resets = {
            'simulator': self._node.create_client(ResetEpisode, '/sim/reset'),
            'runtime': self._node.create_client(ResetEpisode, '/fournex/reset_episode'),
        }
        return self

    def _take_status(self, message: Any) -> None:
        self.status = message
        self.statuses += 1

    def _take_simulation(self, message: Any) -> None:
        self.simulation = message

    def until(self, what: str, timeout_s: float, reached: Callable[[], bool]) -> None:
        """
        Wait for something.

        :param what: in words, for the error.
        :param timeout_s: how long.
        :raises GraphError: it did not come about.
        :raises FournexError: a process is gone.
        """
        end = time.monotonic() + timeout_s
        while not reached():
            self.spin()
            if time.monotonic() > end:
                cause = getattr(self.status, 'cause', '')
                raise GraphError(
                    f'{what} did not come about within {timeout_s:g} s'
                    + (f'; the session says: {cause}' if cause else '')
                )

    def spin(self) -> None:
        """
        Take what has come, waiting a moment for it.

        :raises FournexError: a process is gone.
        """
        self._alive()
        self.spin_once()

    def require_alone(self, within_s: float) -> None:
        """
        Check that no simulator or runtime with the names of this demo's runs already.

        :param within_s: how long to look around; discovery takes from 0.1 to 1 s.
        :raises GraphError: one does.
        """
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            self.spin()
            for topic in ('/sim/status', f'/fournex/{self._session}/status'):
                if self._node.count_publishers(topic) > 0:
                    raise GraphError(
                        f'another demo or runtime publishes {topic} in ROS domain '
                        f'{os.environ.get("ROS_DOMAIN_ID", "0")}: end it, or choose another '
                        'domain: ROS_DOMAIN_ID=42 fournex demo. Nothing was started'
                    )

    def begin_episode(self, episode: str, seed: int) -> None:
        """
        Begin an episode in simulator and runtime, as close together as two calls can be.

        :param episode: its id.
        :param seed: of it.
        :raises GraphError: a service is not there or refuses.
        """
        for name, client in self._resets.items():
            self.until(f"the {name}'s reset service", _SERVICE_TIMEOUT_S, client.service_is_ready)
        before = self.simulation.episode
        request = ResetEpisode.Request(session='', episode=episode, seed=seed)
        answers = {name: client.call_async(request) for name, client in self._resets.items()}
        for name, answer in answers.items():
            self.until(f"an answer of the {name}'s reset service", _SERVICE_TIMEOUT_S, answer.done)
            if not answer.result().success:
                raise GraphError(f'the {name} did not begin an episode: {answer.result().message}')
        self.until(
            'the new episode',
            _SERVICE_TIMEOUT_S,
            lambda: bool(self.simulation.episode > before and self.status.episode == episode),
        )

    def line(self, task: Task) -> str:
        """Return the state of the run in one line."""
        status = self.status
        ages = '   '.join(
            f'{name.rsplit("/", 1)[-1]} {age * 1e3:.0f} ms'
            for name, age in zip(status.inputs, status.input_ages)
            if name in self._budgeted
        )
        return (
            f'tick {status.ticks:5d}   {status.rate:6.2f} Hz   '
            f'late p99 {status.lateness_p99 * 1e3:.1f} ms   age {ages}   '
            f'mode {Mode(status.mode).name.lower()}   {task.label} '
            f'{self.progress(task):g}/{task.most:g}   return {status.episode_return:.1f}'
        )

    def progress(self, task: Task) -> float:
        """Return how far the task is."""
        for one in self.simulation.detail:
            if one.key == task.figure:
                return round(float(one.value), 1)
        raise FournexError(f'the simulator does not report {task.figure}')
