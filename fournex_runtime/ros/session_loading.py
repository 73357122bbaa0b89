"""From a wiring to the sessions that a runtime hosts: policies loaded, checked and warmed up."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os

from ..errors import FournexError
from ..pipeline.messages import Messages
from ..policy.backend import Backend, load_backend, warm_up
from ..session.engine import Engine
from ..session.shared_policy import SharedPolicy
from ..session.sharing import sharing
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
    _check_pacing(wiring)
    engines = {
        one.name: Engine(wiring.bundles[one.name], one, messages, frame_prefix)
        for one in wiring.sessions
    }
    groups = [[engines[name] for name in names] for names in sharing(wiring)]
    seconds = [second for engine in engines.values() for second in engine.seconds.values()]
    lockstep = any(one.lockstep for one in wiring.sessions)
    backends = _load_all(
        [*groups, *([one] for one in seconds)], worker_python, lockstep_ns if lockstep else 0
    )
    own = {id(one): backend for one, backend in zip(seconds, backends[len(groups) :])}
    hosted: dict[str, HostedSession] = {}
    for together, backend in zip(groups, backends):
        deterministic = together[0].wiring.inference.deterministic
        policy = SharedPolicy(backend, len(together), deterministic)
        for row, engine in enumerate(together):
            acting = {name: SharedPolicy(own[id(one)]) for name, one in engine.seconds.items()}
            hosted[engine.wiring.name] = HostedSession(engine, policy, row, acting)
    return [hosted[one.name] for one in wiring.sessions]


def _load_all(groups: list[list[Engine]], worker_python: str, lockstep_ns: int) -> list[Backend]:
    """Load the policy of each group, some at a time: a worker takes its time to start."""
    if len(groups) == 1:
        return [_load(groups[0], worker_python, lockstep_ns)]
    at_once = min(len(groups), len(os.sched_getaffinity(0)) + 1)
    with concurrent.futures.ThreadPoolExecutor(at_once, 'fournex-loading') as pool:
        loads = [pool.submit(_load, group, worker_python, lockstep_ns) for group in groups]
        concurrent.futures.wait(loads, return_when=concurrent.futures.FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    problems = [one.exception() for one in loads if not one.cancelled()]
    refused = next((one for one in problems if one is not None), None)
    if refused is None:
        return [one.result() for one in loads]
    for one in loads:
        if not one.cancelled() and one.exception() is None:
            one.result().close()
    raise refused


def _load(engines: list[Engine], worker_python: str, lockstep_ns: int) -> Backend:
    """
    Load the policy of some sessions and warm it up; its worker, if any, gets a deadline.

    :param lockstep_ns: what that is in lockstep; 0: it is the wiring's.
    """
    first = engines[0]
    inference = first.wiring.inference.with_default_python(
        worker_python, first.contract.artifact.backend
    )
    inference = dataclasses.replace(inference, rows=len(engines))
    backend = load_backend(first.bundle, inference, WARM_UP_TIMEOUT_S)
    try:
        warm_up(backend, first.contract)
    except BaseException:
        backend.close()
        raise
    if isinstance(backend, SuccessiveWorkers):
        backend.waits = bool(lockstep_ns)
        backend.timeout_ns = lockstep_ns or min(map(_budget_ns, engines))
    return backend


def _budget_ns(engine: Engine) -> int:
    """Return how long the answer to a tick may take, from its begin."""
    return engine.wiring.inference.answer_ns(engine.contract.period_ns)


def _check_pacing(wiring: Wiring) -> None:
    lockstep = {bool(session.lockstep) for session in wiring.sessions}
    if len(lockstep) > 1:
        raise FournexError(
            'some sessions are paced by lockstep and some by their period; a runtime does one or '
            'the other: put them into two wirings'
        )
