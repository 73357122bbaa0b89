"""From a wiring to the sessions that a runtime hosts: policies loaded, checked and warmed up."""

from __future__ import annotations

from ..errors import FournexError
from ..pipeline.messages import Messages
from ..policy.backend import Backend, load_backend, warm_up
from ..session.engine import Engine
from ..session.wiring import Wiring
from ..worker.succession import SuccessiveWorkers
from .hosted import HostedSession

WARM_UP_TIMEOUT_S = 10.0
"""How long a worker may take to answer before its session is active."""


def load_sessions(
    wiring: Wiring, messages: Messages, frame_prefix: str, worker_python: str, lockstep_ns: int
) -> list[HostedSession]:
    """
    Return the sessions of a wiring, all of them or none.

    :param wiring: the wiring.
    :param messages: the message types.
    :param frame_prefix: put before the contract's and the wiring's frame names.
    :param worker_python: Python of workers, where the wiring names none; empty: this one.
    :param lockstep_ns: how long a worker may take for an answer in lockstep.
    :raises FournexError: a policy does not load or does not fit, or the sessions not one another.
    """
    sessions: list[HostedSession] = []
    try:
        for one in wiring.sessions:
            engine = Engine(wiring.bundles[one.name], one, messages, frame_prefix)
            sessions.append(HostedSession(engine, _load(engine, worker_python, lockstep_ns)))
        _check_pacing(sessions)
    except BaseException:
        for session in sessions:
            session.backend.close()
        raise
    return sessions


def _load(engine: Engine, worker_python: str, lockstep_ns: int) -> Backend:
    """Load a session's policy and warm it up; its worker, if it has one, gets a deadline."""
    inference = engine.wiring.inference.with_default_python(
        worker_python, engine.contract.artifact.backend
    )
    backend = load_backend(engine.bundle, inference, WARM_UP_TIMEOUT_S)
    try:
        warm_up(backend, engine.contract)
    except BaseException:
        backend.close()
        raise
    if isinstance(backend, SuccessiveWorkers):
        backend.waits = lockstep = bool(engine.wiring.lockstep)
        backend.timeout_ns = lockstep_ns if lockstep else engine.contract.period_ns
    return backend


def _check_pacing(sessions: list[HostedSession]) -> None:
    lockstep = {bool(session.engine.wiring.lockstep) for session in sessions}
    if len(lockstep) > 1:
        raise FournexError(
            'some sessions are paced by lockstep and some by their period; a runtime does one or '
            'the other: put them into two wirings'
        )
