"""When a robot steps, with a link that a test holds in its hand: no ROS, no processes."""

from __future__ import annotations

import time

import pytest

from fournex_runtime.errors import GraphError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.sim import sensor_messages as msg
from fournex_runtime.sim.pacing import RESET_GRACE_NS, Lockstep, RealTime
from fournex_runtime.sim.registry import make_robot
from fournex_runtime.sim.resets import Resets
from fournex_runtime.sim.simulation import START_NS, Simulation

EFFORTS = 'effort_controller/commands'


class Scripted:
    """
    A link whose other end is a function.

    :param drive: called with this link whenever commands are taken; returns efforts.
    """

    def __init__(self, drive) -> None:
        self.drive = drive
        self.published: list[tuple[str, bytes]] = []
        self.clocks: list[int] = []
        self.statuses: list[bytes] = []
        self.said: list[str] = []
        self.takes = 0

    def publish(self, topic: str, data: bytes) -> None:
        self.published.append((topic, data))

    def publish_clock(self, time_ns: int) -> None:
        self.clocks.append(time_ns)

    def publish_status(self, data: bytes) -> None:
        self.statuses.append(data)

    def take(self) -> list[tuple[str, bytes]]:
        self.takes += 1
        return [
            (EFFORTS, messages().encode(msg.float64_array([effort]), msg.FLOAT64_ARRAY))
            for effort in self.drive(self)
        ]

    def wait(self, timeout_ns: int) -> None:
        time.sleep(min(timeout_ns, 1_000_000) * 1e-9)

    def commanders(self) -> int:
        return 1

    def say(self, text: str) -> None:
        self.said.append(text)

    def states(self) -> list:
        """Return the joint states that were published."""
        return [
            messages().decode(data, msg.JOINT_STATE)
            for topic, data in self.published
            if topic == 'joint_states'
        ]


def pendulum() -> Simulation:
    return Simulation(make_robot('pendulum'), seed=5)


def after(duration_s: float):
    """Return a function that says whether so much time is over."""
    until_s = time.monotonic() + duration_s
    return lambda: time.monotonic() >= until_s


def test_real_time_stays_with_the_clock():
    simulation, link = pendulum(), Scripted(lambda _: [])
    begun_s = time.monotonic()
    pacing = RealTime(simulation, link, Resets(), after(0.5), clock=True)
    pacing.run()
    elapsed_ns = (time.monotonic() - begun_s) * 1e9
    gone_ns = simulation.time_ns - START_NS + pacing.lost_ns
    assert gone_ns == pytest.approx(elapsed_ns, abs=100_000_000)
    assert gone_ns % simulation.robot.step_ns == 0
    assert link.clocks == sorted(set(link.clocks))


def test_real_time_makes_up_for_a_short_delay_and_loses_a_long_one():
    for delay_s, lost_s in ((0.06, 0.0), (0.5, 0.4)):
        delays = [delay_s]
        link = Scripted(lambda _: [])

        def stall(time_ns: int, delays=delays) -> None:
            if time_ns > START_NS + 20_000_000 and delays:
                time.sleep(delays.pop())

        pacing = RealTime(pendulum(), link, Resets(), after(0.8), stall)
        pacing.run()
        assert not delays
        assert pacing.lost_ns * 1e-9 == pytest.approx(lost_s, abs=0.08)
        assert bool(link.said) == bool(lost_s)


def test_real_time_obeys_the_newest_command_of_a_topic():
    obeyed = []
    simulation = pendulum()
    simulation.obey = lambda topic, message: obeyed.append(float(message.data[0]))
    link = Scripted(lambda link: [1.0, 2.0, 3.0] if link.takes == 2 else [])
    RealTime(simulation, link, Resets(), lambda: link.takes > 3).run()
    assert obeyed == [3.0]


def test_a_status_tells_at_once_that_the_task_is_over():
    simulation = pendulum()
    link = Scripted(lambda _: [10.0])  # pushed to one side the pole falls
    Lockstep(simulation, link, Resets(), lambda: simulation.robot.outcome().done).run()
    statuses = [
        messages().decode(data, 'fournex_msgs/msg/SimulationStatus') for data in link.statuses
    ]
    assert not statuses[0].done
    Lockstep(simulation, link, Resets(), lambda: link.takes > 1000).run()
    last = messages().decode(link.statuses[-1], 'fournex_msgs/msg/SimulationStatus')
    assert (last.done, last.success) == (True, False)


def test_lockstep_goes_one_control_period_for_each_command():
    simulation = pendulum()
    link = Scripted(lambda _: [0.5])
    Lockstep(simulation, link, Resets(), lambda: link.takes >= 10).run()
    stamps = [s.header.stamp.sec * 10**9 + s.header.stamp.nanosec for s in link.states()]
    assert stamps == [START_NS + k * 20_000_000 for k in range(10)]


def test_a_lockstep_reset_waits_for_the_command_that_may_be_on_its_way():
    simulation, resets = pendulum(), Resets()
    asked = []

    def drive(link: Scripted) -> list[float]:
        if link.takes == 3 and not asked:
            asked.append(resets.ask(9))  # and the answer to the present state never comes
        return [] if asked and not asked[0].episode else [0.5]

    link = Scripted(drive)
    begun_ns = time.monotonic_ns()
    Lockstep(simulation, link, resets, lambda: bool(asked and asked[0].episode)).run()
    assert time.monotonic_ns() - begun_ns >= RESET_GRACE_NS
    assert (asked[0].episode, simulation.episode, simulation.seed) == (2, 2, 9)
    assert simulation.time_ns == START_NS + 3 * 20_000_000


def test_a_lockstep_reset_follows_at_once_on_the_command_that_was_on_its_way():
    simulation, resets = pendulum(), Resets()
    asked = []

    def drive(link: Scripted) -> list[float]:
        if link.takes == 3:
            asked.append(resets.ask(9))
        return [0.5]

    link = Scripted(drive)
    begun_ns = time.monotonic_ns()
    Lockstep(simulation, link, resets, lambda: bool(asked and asked[0].episode)).run()
    assert time.monotonic_ns() - begun_ns < RESET_GRACE_NS
    assert simulation.time_ns == START_NS + 3 * 20_000_000


def test_lockstep_gives_up_only_after_the_first_command():
    link = Scripted(lambda _: [])
    Lockstep(pendulum(), link, Resets(), after(0.3), timeout_ns=100_000_000).run()
    link = Scripted(lambda link: [0.5] if link.takes == 2 else [])
    with pytest.raises(GraphError, match=r'no command for t = 1\.020 s on effort_controller'):
        Lockstep(pendulum(), link, Resets(), after(5.0), timeout_ns=100_000_000).run()
