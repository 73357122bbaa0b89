"""An examination of a live robot by a node of its own, which publishes nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ..doctor.examination import examine
from ..doctor.finding import Finding
from ..doctor.inference import measure_inference
from ..doctor.load import check_load, surveyed_costs
from ..doctor.survey import Case, Survey, second_name
from ..doctor.tick_time import measure_tick
from ..errors import ArtifactError, MissingDependencyError
from ..pipeline.messages import messages
from ..policy.backend import Backend, load_backend, warm_up
from ..session.engine import Engine
from ..session.wiring import Wiring
from ..worker.succession import SuccessiveWorkers
from .spinning import Spinning
from .survey import PATIENCE_S, Surveyor

_ANSWER_S = 10.0


@dataclasses.dataclass(frozen=True)
class Examined:
    """What was found about one session of a wiring."""

    session: str
    policy: str
    bundle_sha256: str
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class Examination:
    """
    What was found about the sessions of a wiring.

    :param sessions: each for itself, in their order.
    :param together: about all of them; empty where there is one only.
    """

    sessions: tuple[Examined, ...]
    together: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return everything that was found."""
        return (*(found for one in self.sessions for found in one.findings), *self.together)


def examine_robot(wiring: Wiring, seconds: float, ros_arguments: Sequence[str]) -> Examination:
    """
    Look at the live robot for a while and examine every session of a wiring.

    :param wiring: the wiring.
    :param seconds: for how long messages are collected.
    :param ros_arguments: as of ``fournex run``, program name first.
    :raises FournexError: bundle and wiring do not fit, or the survey cannot be made.
    """
    rclpy.init(args=list(ros_arguments), signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = Node(
            f'fournex_doctor_{os.getpid()}', enable_rosout=False, start_parameter_services=False
        )
        try:
            return examine_from(node, wiring, seconds)
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def examine_from(
    node: Node, wiring: Wiring, seconds: float, patience_s: float = PATIENCE_S
) -> Examination:
    """
    Look at the live robot by a node that nobody else spins.

    :param node: subscribes and asks; its namespace, remappings and clock are the session's.
    :param seconds: for how long messages are collected.
    :param patience_s: how long publishers and first messages may take to come.
    """
    prefix = str(node.declare_parameter('frame_prefix', '').value)
    python = str(node.declare_parameter('worker_python', '').value)
    cases = [Case(wiring.bundles[one.name], one, messages(), prefix) for one in wiring.sessions]
    engines = [Engine(one.bundle, one.wiring, messages(), prefix) for one in cases]
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    spinning = Spinning(executor)
    try:
        surveyor = Surveyor(node, wiring.sessions, messages(), patience_s=patience_s)
        survey = surveyor.look(seconds)
    finally:
        spinning.close(2.0)
    for case, engine in zip(cases, engines):
        survey = _timed(case, engine, survey, python)
    sessions = tuple(
        Examined(
            case.wiring.name,
            case.contract.reference,
            case.bundle.sha256,
            tuple(examine(case, survey)),
        )
        for case in cases
    )
    if len(sessions) == 1:
        return Examination(sessions, ())  # its own ticks are judged already
    load = check_load(wiring, surveyed_costs(wiring, survey), survey.clock.followed)
    return Examination(sessions, (load,))


def _timed(case: Case, engine: Engine, survey: Survey, python: str) -> Survey:
    """Return the survey with how long the policies and whole ticks of a session take."""
    own, times = case.wiring.name, dict(survey.inference_ns)
    problems, ticks = dict(survey.inference_problem), dict(survey.tick_ns)
    in_loop = set(survey.in_loop)
    policies = {own: case} | {
        second_name(own, one.name): dataclasses.replace(case, bundle=one.bundle, wiring=one.wiring)
        for one in case.wiring.fallbacks
    }
    for name, policy in policies.items():
        try:
            backend = _load(policy, python)
            try:
                times[name] = measure_inference(backend, policy.contract)
                if policy is case:
                    ticks[name] = measure_tick(engine, survey, backend, case.messages)
                    if not isinstance(backend, SuccessiveWorkers):
                        in_loop.add(name)
            finally:
                backend.close()
        except (ArtifactError, MissingDependencyError) as problem:
            problems[name] = str(problem)
    return dataclasses.replace(
        survey,
        inference_ns=times,
        inference_problem=problems,
        tick_ns=ticks,
        in_loop=frozenset(in_loop),
    )


def _load(case: Case, python: str) -> Backend:
    """Return the policy of a session, warmed up."""
    inference = case.wiring.inference.with_default_python(python, case.contract.artifact.backend)
    backend = load_backend(case.bundle, inference, _ANSWER_S)
    try:
        warm_up(backend, case.contract)
    except BaseException:
        backend.close()
        raise
    return backend
