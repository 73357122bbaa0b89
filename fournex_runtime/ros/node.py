"""
The runtime as a managed (lifecycle) node.

=============  ====================================================================================
configure      read the wiring, load and check the policy bundles, warm the policies up
activate       check the live graph, subscribe, start recording, release the first tick
deactivate     publish the stop commands, close the recording, unsubscribe
cleanup        forget the policies
=============  ====================================================================================

Each transition is all or nothing over all sessions of the wiring.
"""

from __future__ import annotations

import dataclasses
import pathlib
import threading
import time
import traceback
from typing import Any

import rclpy.clock
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock_type import ClockType
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import QoSProfile

from ..doctor.finding import check_overrides
from ..errors import FournexError, GraphError
from ..kernel import Grant
from ..pipeline.messages import messages
from ..record.manifest import RECORDED_PARAMETERS
from ..session.wiring import Wiring
from ..worker.succession import describe_isolation, worker_grants
from .activation import Activation, Settings
from .commanders import other_commanders
from .diagnostics import PlainUpdater, fill_status, make_updater
from .events import STATUS_TYPE, encode_status
from .followed_clock import FollowedClock
from .graph import GraphWatch, message_class
from .hosted import HostedSession
from .loop import Loop
from .paced import Clock
from .realtime import Manners, threads_of
from .recorded_diagnostics import RecordedDiagnostics
from .recording_service import RecordingService
from .run_recording import RunRecording
from .same_again import choose_wiring, give_seeds, other_than
from .session_loading import load_sessions
from .session_services import SessionServices
from .steady_timer import SteadyTimer

STATUS_PERIOD_S = 0.2
_TURNS = 10
"""Into how many parts the sessions are divided, at most, of which one after the other reports."""
_DIAGNOSTICS_EVERY = 5
"""Diagnostics are told with every so many a status."""
_LOOK_S = 0.05
"""How often the graph is looked at until the first activation."""
_SERVE_S = 0.05
"""How often the loop, once it has ended, looks at what a transition that is under way asks."""
WATCH_S = 10.0
"""
How long after activation another commander makes this runtime give way.

The graph is asked before the activation, but on a busy machine it may not know everybody by then.
"""

_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE

_PARAMETERS: tuple[tuple[str, Any, str], ...] = (
    ('wiring', '', 'path of the wiring file'),
    ('like', '', 'recording whose wiring, policies and seeds are taken instead of a wiring file'),
    ('seed', 0, 'seed of the first episode, the next have the next; 0: the policy draws its own'),
    ('bundle', '', "policy instead of the wiring's: folder of a bundle, or name@version"),
    ('record', '', 'folder in which each activation records a bag of its own; empty: none'),
    ('frame_prefix', '', "put before the contract's and the wiring's frame names, such as r1/"),
    ('worker_python', '', 'Python of workers, where the wiring names none; empty: this one'),
    (
        'override_checks',
        [''],
        'checks of the doctor whose failure is not to refuse an activation, such as start_pose',
    ),
    ('autostart', True, 'configure and activate at the start, without a lifecycle manager'),
    ('exit_with_parent', False, 'end, with the stop commands, when the parent process is gone'),
)


class RuntimeNode(LifecycleNodeMixin, Node):
    """Hosts the sessions of one wiring."""

    def __init__(self, name: str) -> None:
        # As LifecycleNode does, but with services that answer while a transition is under way.
        Node.__init__(self, name)
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        for name, default, description in _PARAMETERS:
            self.declare_parameter(name, default, ParameterDescriptor(description=description))
        self.declare_parameter(
            'graph_timeout',
            5.0,
            ParameterDescriptor(
                description='seconds to wait at activation for publishers and for first messages',
                floating_point_range=[FloatingPointRange(from_value=0.0, to_value=3600.0)],
            ),
        )
        self.declare_parameter(
            'lockstep_timeout',
            10.0,
            ParameterDescriptor(
                description='lockstep ends with an error when no inputs came for so long, seconds',
                floating_point_range=[FloatingPointRange(from_value=0.1, to_value=3600.0)],
            ),
        )
        self.declare_parameter(
            'clock_timeout',
            2.0,
            ParameterDescriptor(
                description='sessions stop when a /clock that they follow stands still so long, '
                'seconds of the steady clock; 0: never',
                floating_point_range=[FloatingPointRange(from_value=0.0, to_value=3600.0)],
            ),
        )
        self._read_ros_clock = self.get_clock().handle.get_now
        self._lockstep_ns = round(float(self.get_parameter('lockstep_timeout').value) * 1e9)
        simulated = bool(self.get_parameter('use_sim_time').value)
        self._followed = FollowedClock(self) if simulated else None
        self.loop = Loop(
            Clock(self._ros_now_ns, self._followed),
            self.context.handle,
            self._lockstep_ns,
            round(float(self.get_parameter('clock_timeout').value) * 1e9),
        )
        self.loop.failed = self._loop_failed
        self._graph = GraphWatch(self)
        self.problem = ''
        """Why the last transition failed; empty when it did not."""
        self._transition = threading.RLock()
        self._messages = messages()
        self._wiring: Wiring | None = None
        self._sessions: list[HostedSession] = []
        self._activation: Activation | None = None
        self._status_publishers: dict[str, Any] = {}
        self._updater = make_updater(self)
        self._updater.setHardwareID('fournex')
        self._updater.publisher = RecordedDiagnostics(
            self._updater.publisher, self._messages, self._recording
        )
        services = ReentrantCallbackGroup()
        SessionServices(self, self.loop, lambda: self._sessions, lambda: self.active, services)
        RecordingService(self, self.loop, self._recording, services)
        # A timer of ROS time, also one that is cancelled, wakes the executor with every /clock.
        steady = rclpy.clock.Clock(clock_type=ClockType.STEADY_TIME)
        self._looking = self.create_timer(
            _LOOK_S, self._graph.look, callback_group=services, clock=steady
        )
        self._manners: Manners | None = None
        self._granted: list[Grant] = []
        self._watch_until = 0.0
        self._reported = 0
        self.gave_way = False
        """Whether the sessions ended because another node commanded the robot already."""
        self._reports = SteadyTimer(STATUS_PERIOD_S, self._report, self.get_logger())

    def _ros_now_ns(self) -> int:
        # As get_clock().now(), which makes two objects of it: every tick asks.
        return int(self._read_ros_clock().nanoseconds)

    @property
    def active(self) -> bool:
        """Return whether the sessions tick."""
        return self._activation is not None

    # --- transitions -----------------------------------------------------------------------------

    def _refused(self, problem: Exception) -> TransitionCallbackReturn:
        """Say why a transition failed; what is no error of ours comes with its traceback."""
        self.problem = str(problem)
        if not isinstance(problem, FournexError):
            self.problem = f'{type(problem).__name__}: {problem}\n{traceback.format_exc()}'
        if self.loop.quitting:
            self.get_logger().info(f'ended while starting: {self.problem}')
        else:
            self.get_logger().error(self.problem)
        return _FAILURE

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the wiring, load the bundles, warm up."""
        with self._transition:
            try:
                self._configure()
            except Exception as problem:  # rclpy would swallow it
                return self._refused(problem)
            self.problem = ''
            return _SUCCESS

    def _configure(self) -> None:
        wiring, recorded = choose_wiring(
            *(str(self.get_parameter(name).value) for name in ('wiring', 'bundle', 'like'))
        )
        prefix = str(self.get_parameter('frame_prefix').value)
        self._overrides()  # refused before anything is loaded
        worker_python = str(self.get_parameter('worker_python').value)
        sessions = load_sessions(wiring, self._messages, prefix, worker_python, self._lockstep_ns)
        self._wiring, self._sessions = wiring, sessions
        give_seeds(sessions, int(self.get_parameter('seed').value), recorded)
        if recorded is not None:
            for words in other_than(recorded, sessions):
                self.get_logger().warning(f'like {recorded.bag}: {words}')
        for session in sessions:
            self._status_publishers[session.name] = self.create_publisher(
                message_class(STATUS_TYPE),
                f'~/{session.name}/status',
                QoSProfile(depth=5),
                event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
            )
            self._updater.add(session.name, self._diagnose(session))
            self.get_logger().info(
                f'session {session.name}: {session.engine.contract.reference}, '
                f'{1e9 / session.period_ns:g} Hz, {session.backend.description}; '
                f'asked: {session.policy.describe(session.row)}; '
                f'answers due: {session.policy.due or "at once"}; '
                f'isolation: {describe_isolation(session.backend)}'
            )

    def _overrides(self) -> frozenset[str]:
        given = self.get_parameter('override_checks').value
        return check_overrides([name for name in given if name])

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the live graph, subscribe, start recording, begin to tick."""
        with self._transition:
            assert self._wiring is not None
            manners = Manners(self._wiring.realtime)
            try:
                if self.loop.quitting:  # while the policies were loaded: the loop answers no more
                    raise GraphError('interrupted before the first tick')
                granted = self._ask(manners)
            except Exception as problem:  # rclpy would swallow it
                return self._refused(problem)
            record = str(self.get_parameter('record').value)
            self._looking.cancel()
            activation = Activation(
                self,
                self._graph,
                self._wiring,
                self._sessions,
                self._messages,
                Settings(
                    graph_timeout_s=float(self.get_parameter('graph_timeout').value),
                    record=pathlib.Path(record).expanduser() if record else None,
                    frame_prefix=str(self.get_parameter('frame_prefix').value),
                    overrides=self._overrides(),
                    environment={
                        **{f'realtime.{one.name}': one.outcome for one in granted},
                        **{
                            f'parameter.{name}': str(self.get_parameter(name).value)
                            for name in RECORDED_PARAMETERS
                        },
                    },
                ),
                lambda: self.loop.quitting,
            )
            try:
                activation.open()
                if self.loop.quitting:
                    activation.close()
                    raise GraphError('interrupted before the first tick')
            except Exception as problem:  # rclpy would swallow it
                if not self.loop.quitting:  # else the process ends, and nobody is there to ask
                    self.loop.call(manners.give_back)
                return self._refused(problem)
            self._activation, self._manners, self._granted = activation, manners, granted
            self.problem = ''

            def start() -> None:
                manners.raise_others()  # those that the activation has begun
                self.loop.after_tick = activation.after_tick
                self.loop.slack = manners.between_ticks if manners.acts_between_ticks else None
                self.loop.spin_ns = manners.spin_ns
                self.loop.start(self._sessions)

            self._watch_until = time.monotonic() + WATCH_S
            self.loop.call(start)
            return _SUCCESS

    def _ask(self, manners: Manners) -> list[Grant]:
        """
        Ask for the wiring's real-time manners, and say what came of it.

        :raises GraphError: one is refused, and the wiring requires it.
        """
        assert self._wiring is not None
        of_workers = [
            dataclasses.replace(one, name=f'{one.name}.{session.name}')
            for session in self._sessions
            for one in (
                *worker_grants(session.backend),
                threads_of(session.backend, session.engine.wiring.inference.threads),
            )
        ]
        granted = [*self.loop.call(manners.ask), *of_workers]
        for one in granted:
            if one.granted:
                self.get_logger().info(f'realtime: {one}')
            else:
                self.get_logger().warning(f'realtime: {one}')
        refused = [str(one) for one in granted if not one.granted]
        if refused and self._wiring.realtime.required:
            self.loop.call(manners.give_back)
            raise GraphError(
                f'{self._wiring.file}: realtime: {"; ".join(refused)}. Mend it, leave it out, or '
                'write on_refusal: report'
            )
        return granted

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the stop commands, close the recording, unsubscribe."""
        with self._transition:
            self._deactivate('deactivated')
            return _SUCCESS

    def _deactivate(self, cause: str) -> None:
        activation = self._activation
        if activation is None:
            return
        # However long a tick takes that waits for its policy: the robot is not left without.
        self.loop.call(lambda: self.loop.stop(cause), timeout_s=None)
        self._activation = None
        activation.close()
        if self._manners is not None:
            self.loop.call(self._manners.give_back)
            self._manners, self._granted = None, []

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the policies."""
        with self._transition:
            for session in self._sessions:
                session.close()
                self._updater.removeByName(session.name)
                self.destroy_publisher(self._status_publishers.pop(session.name))
            self._wiring, self._sessions = None, []
            return _SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate and clean up, from whatever state."""
        with self._transition:
            self._deactivate('shut down')
            return self.on_cleanup(state)

    def autostart(self) -> bool:
        """
        Configure and activate.

        :returns: whether the runtime is active; ``problem`` says why not.
        """
        if self.trigger_configure() != _SUCCESS:
            return False
        return bool(self.trigger_activate() == _SUCCESS)

    def end(self, cause: str) -> None:
        """End the sessions with their stop commands; called by the loop's thread at the end."""
        while not self._transition.acquire(timeout=_SERVE_S):
            self.loop.serve()  # a transition that is under way may wait for it
        try:
            self._deactivate(cause)
            for session in self._sessions:
                session.close()
        finally:
            self._transition.release()

    def _loop_failed(self, problem: Exception) -> None:
        """Say that a tick raised, and end the runtime: a supervisor starts it again."""
        self.problem = f'{type(problem).__name__}: {problem}'
        self.get_logger().fatal(f'the control loop has ended: {self.problem}')
        self.loop.quit()

    def destroy_node(self) -> None:
        """End the reports, too, and what follows ``/clock``."""
        self._reports.close()
        if self._followed is not None:
            self._followed.close()
        super().destroy_node()

    # --- reports ---------------------------------------------------------------------------------

    def _report(self) -> None:
        """
        Tell and look at what is told and looked at again and again, of some sessions at a time.

        All of many at once would keep the interpreter from the loop for longer than a period.
        """
        sessions = list(self._sessions)
        share = max(1, -(-len(sessions) // _TURNS))
        turns = max(1, -(-len(sessions) // share))
        self._reports.period_s = STATUS_PERIOD_S / turns
        times, turn = divmod(self._reported, turns)
        self._reported += 1
        for session in sessions[turn * share : (turn + 1) * share]:
            if self.active:
                self._publish_status(session)
                self._watch_commands(session)
        if isinstance(self._updater, PlainUpdater) and times % _DIAGNOSTICS_EVERY == 0:
            self._updater.go_on(share)

    def _publish_status(self, session: HostedSession) -> None:
        publisher = self._status_publishers.get(session.name)
        if publisher is not None and publisher.get_subscription_count():
            told = encode_status(self._messages, session, self._ros_now_ns(), *self._recorded())
            publisher.publish(told)

    def _watch_commands(self, session: HostedSession) -> None:
        """Give way when somebody else turns out to have commanded the robot already."""
        if time.monotonic() > self._watch_until:
            return
        for target in session.engine.wiring.targets:
            fight = other_commanders(self, target)
            if fight:
                self.problem, self.gave_way = fight, True
                self._watch_until = 0.0
                self.get_logger().error(fight)
                self.trigger_deactivate()
                if self.get_parameter('autostart').value:
                    self.loop.quit()
                return

    def _diagnose(self, session: HostedSession) -> Any:
        def fill(status: Any) -> Any:
            fill_status(status, session, self.active, self._recorded()[1])
            for one in self._granted:
                status.add(f'realtime {one.name}', one.outcome)
            return status

        return fill

    def _recording(self) -> RunRecording | None:
        activation = self._activation
        return activation.recording if activation is not None else None

    def _recorded(self) -> tuple[str, int]:
        """Return the folder of the recording and how many messages it lost."""
        recording = self._recording()
        if recording is None:
            return '', 0
        return str(recording.folder), recording.dropped
