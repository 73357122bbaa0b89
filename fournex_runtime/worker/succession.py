"""
One worker after another for one session: what a worker's death leaves undone, the next one does.

A worker holds nothing that outlives a request, so the next one gives the same bits.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import overload

import numpy as np

from ..errors import FournexError, LateAnswer, WorkerDied
from ..kernel import Grant
from ..policy.backend import Arrays, Backend, Request
from ..policy.batch import Outcomes, all_answered, greatest_size, run_one_by_one
from ..policy.bundle import Bundle
from ..policy.contract_types import DATA_BACKENDS
from ..policy.inference import DEFAULT_INFERENCE, Inference
from ..policy.onnx_artifact import onnx_model
from .backend import WorkerBackend
from .caps import Cap, describe_caps
from .consumption import LOOK_NS
from .wait import Waiter

HANG_S = 1.0
"""How long after its first late answer a worker that has said nothing since is killed."""
RETRY_S = 1.0
"""How long after a worker could not be started the next attempt is made."""

_HANGS = f'gave no answer for {HANG_S:g} s'


class SuccessiveWorkers:
    """
    A worker, and those that come after it.

    With ``spare``, the next one is there before it is needed, loaded and warmed up, and takes over
    within the call in which the one before it dies. Without, it is started then. A thread, the
    keeper, starts workers, notices those that die while nobody asks them, and kills one that
    hangs or takes too much; the one that calls :meth:`run` waits for it only if it is to.

    :param bundle: the bundle; its artifact is checked against its contract here.
    :param inference: as for a worker, and whether there is a spare.
    :param timeout_s: how long :meth:`run` waits for an answer.
    :raises FournexError: as a worker does, for the first one.
    """

    def __init__(
        self, bundle: Bundle, inference: Inference = DEFAULT_INFERENCE, timeout_s: float = 1.0
    ) -> None:
        self._bundle = bundle
        self._inference = inference
        self._model = (
            onnx_model(bundle) if bundle.contract.artifact.backend in DATA_BACKENDS else None
        )
        self.timeout_ns = round(timeout_s * 1e9)
        """How long :meth:`run` waits; may be changed from one call to the next."""
        self.waits = False
        """Whether :meth:`run` waits for a worker that is being started, within its time."""
        self.number = 1
        """Which worker answers, or is to: the first one is 1."""
        self.deaths = 0
        """How many workers have died, spares counted."""
        self.problem = ''
        """Why the last of them did."""
        self._changed = threading.Condition()
        self._closed = False
        self._not_started = ''
        self._retry_ns = 0
        self._next: WorkerBackend | None = None
        self._current: WorkerBackend | None = self._make()
        self._newest = self._current
        self._asked: WorkerBackend | None = None
        self._late: WorkerBackend | None = None
        self._again = False
        self.deadline_ns = 0
        """When the answers to what was asked last are late; steady clock."""
        self._requests: Sequence[Request | None] = ()
        self._batch = False
        self._dead: list[WorkerBackend] = []
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        threading.Thread(target=self._keep, name='fournex-keeper', daemon=True).start()

    def _make(self) -> WorkerBackend:
        return WorkerBackend(self._bundle, self._inference, model=self._model)

    @property
    def description(self) -> str:
        """Return library, version and provider."""
        return self._newest.description

    @property
    def provider(self) -> str:
        """Return what computes it."""
        return self._newest.provider

    @property
    def threads(self) -> int:
        """Return how many processor threads its library uses, as the newest worker says."""
        return self._newest.threads

    @property
    def batch_size(self) -> int:
        """Return how many rows a batch is to have; 0: none."""
        return self._newest.batch_size

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that can be read when an answer is there, or will never be."""
        return () if self._asked is None else self._asked.descriptors

    @property
    def caps(self) -> tuple[Cap, ...]:
        """Return what came of the caps of the newest worker."""
        return self._newest.caps

    @property
    def interpreter(self) -> str:
        """Return the versions of the newest worker's Python and numpy, in words."""
        report = self._newest.report
        return f'python {report.python}, numpy {report.numpy}'

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Return what came of the real-time manners of the newest worker."""
        return self._newest.grants

    @property
    def pid(self) -> int:
        """Return the process id of the newest worker that has answered, or is to."""
        return self._newest.pid

    @property
    def has_spare(self) -> bool:
        """Return whether a spare is kept."""
        return self._inference.spare

    @property
    def absence(self) -> str:
        """Return why there is no worker to be asked now, in words; empty where there is one."""
        with self._changed:
            if self._closed or self._current is not None or self._next is not None:
                return ''
            return f'{self.problem}; {self._not_started or "the next one is being started"}'

    @property
    def spare_pid(self) -> int:
        """Return the process id of the spare that is loaded and warmed up; 0 without one."""
        spare = self._next
        return 0 if spare is None else spare.pid

    # --- asking ----------------------------------------------------------------------------------

    def run(self, inputs: Arrays, state: Arrays) -> Request:
        """
        Run the policy once; see :class:`~fournex_runtime.policy.backend.Backend`.

        :raises ArtifactError: the artifact failed, or an array is not what the contract says.
        :raises LateAnswer: no answer within ``timeout_ns``; the next call asks anew.
        :raises WorkerDied: the worker has ended, and there is no other yet.
        """
        self.ask([(inputs, state)])
        (answer,) = all_answered(self.collect())
        assert answer is not None
        return answer

    def run_batch(self, requests: Sequence[Request | None]) -> list[Request | None]:
        """
        Run the policy for each request; see :class:`~fournex_runtime.policy.backend.Backend`.

        In one run, if it was loaded for several sessions and its artifact has a batch axis.
        """
        if not 2 <= len(requests) <= greatest_size(self._inference.rows):
            return run_one_by_one(self, requests)
        self.ask(requests, batch=True)
        return all_answered(self.collect())

    def ask(
        self,
        requests: Sequence[Request | None],
        batch: bool = False,
        since_ns: int | None = None,
    ) -> None:
        """
        Put requests to the worker; :meth:`collect` returns its answers.

        :param requests: one a row, as for :meth:`run_batch`.
        :param batch: whether they go together; else there is one.
        :param since_ns: when ``timeout_ns`` began, on the steady clock; now if left out.
        :raises ArtifactError: an array is not what the contract says.
        :raises WorkerDied: the worker has ended, and there is no other yet.
        """
        self.deadline_ns = self._late_at(since_ns)
        self._requests, self._batch = requests, batch
        self._late, self._again = None, False
        self._put()

    def _put(self) -> None:
        """Put what is asked to the first worker that takes it."""
        while True:
            worker = self._worker(self.deadline_ns)
            worker.timeout_ns = self.timeout_ns
            try:
                worker.ask(self._requests, self._batch, self.deadline_ns)
                return
            except WorkerDied as problem:
                self._lost(worker, problem)
            except BaseException:
                self._asked = None
                raise

    @overload
    def collect(self) -> Outcomes: ...

    @overload
    def collect(self, until_ns: int | None) -> Outcomes | None: ...

    def collect(self, until_ns: int | None = None) -> Outcomes | None:
        """
        Return the answers to what was asked last; see :meth:`.WorkerBackend.collect`.

        What a worker leaves undone when it dies is put to the next one, if that is there.
        """
        while True:
            worker = self._asked
            assert worker is not None
            try:
                found = worker.collect(until_ns)
            except WorkerDied as problem:
                self._lost(worker, problem)
                self._put()
                continue
            except LateAnswer:
                self._late, self._asked = None if self._again else worker, None
                self._wake_keeper()  # which gives it a while
                raise
            except BaseException:
                self._asked = None
                raise
            if found is not None:
                self._asked = None
            return found

    def _late_at(self, since_ns: int | None) -> int:
        return (time.monotonic_ns() if since_ns is None else since_ns) + self.timeout_ns

    def await_late(self, since_ns: int | None = None) -> bool:
        """
        Wait once more for what was late: :meth:`collect` returns it instead of anything new.

        :param since_ns: as for :meth:`ask`.
        :returns: whether there is something to wait for; it is waited for twice in all.
        """
        worker, self._late = self._late, None
        with self._changed:
            if worker is None or worker is not self._current:
                return False
            self._asked = worker
        self._again = True
        self.deadline_ns = self._late_at(since_ns)
        worker.wait_until(self.deadline_ns)
        return True

    def _lost(self, worker: WorkerBackend, problem: WorkerDied) -> None:
        """Have a worker that has died followed by another."""
        self._asked = None
        with self._changed:
            if self._closed:
                raise problem
            self._bury(worker, str(problem))
            self._wake_keeper()  # which leaves alone what is asked, dead or not

    def _worker(self, deadline_ns: int) -> WorkerBackend:
        """Return the worker to ask, which the keeper leaves alone meanwhile."""
        with self._changed:
            while self._current is None:
                if self._next is not None:
                    self._current, self._next = self._next, None
                    self._newest = self._current
                    self.number += 1
                    self._wake_keeper()
                    break
                left_s = (deadline_ns - time.monotonic_ns()) * 1e-9
                if self._closed:
                    raise WorkerDied(f'{self._newest.file}: its worker was closed')
                if self._not_started or not self.waits or left_s <= 0:
                    following = self._not_started or 'the next one is being started'
                    raise WorkerDied(f'{self.problem}; {following}')
                self._changed.wait(left_s)
            self._asked = self._current
            return self._current

    def _bury(self, worker: WorkerBackend, problem: str) -> None:
        """Have a worker that has died cleared away and followed by another; with the lock."""
        if worker is self._current:
            self._current = None
        elif worker is self._next:
            self._next = None
        else:
            return  # somebody else has noticed
        self.deaths += 1
        self.problem = problem
        self._dead.append(worker)
        self._wake_keeper()

    # --- the keeper ------------------------------------------------------------------------------

    def _wake_keeper(self) -> None:
        with self._changed:
            if not self._closed:
                os.eventfd_write(self._wake, 1)

    def _keep(self) -> None:
        """Start, watch and clear away workers until closed."""
        while True:
            with self._changed:
                if self._closed:
                    break
                watched = [one for one in (self._current, self._next) if one is not None]
                wanted = len(watched) < 1 + self._inference.spare
                cleared = [one for one in self._dead if one is not self._asked]
                self._dead = [one for one in self._dead if one is self._asked]
            for one in cleared:
                one.close()
            now_ns = time.monotonic_ns()
            if wanted and now_ns >= self._retry_ns:
                self._start()
                continue
            again_ns = now_ns + LOOK_NS
            self._watch(watched, min(again_ns, self._retry_ns) if wanted else again_ns)
        os.close(self._wake)

    def _watch(self, watched: Sequence[WorkerBackend], until_ns: int) -> None:
        """Wait until a worker dies or hangs, or somebody wants something."""
        for one in watched:
            late_ns = one.silent_since_ns
            if late_ns:
                until_ns = min(until_ns, late_ns + round(HANG_S * 1e9))
        waiter = Waiter((self._wake, *(one.death for one in watched)))
        if waiter.wait(until_ns - time.monotonic_ns()) and waiter.readable(0):
            os.eventfd_read(self._wake)
        if self._closed:
            return
        for index, one in enumerate(watched, 1):
            if waiter.readable(index):
                self._noticed(one, one.ending())
            elif words := one.excess() or (_HANGS if one.hangs(round(HANG_S * 1e9)) else ''):
                one.kill()
                words += ' and was killed'
                self._noticed(one, f'{one.file}: its worker (process {one.pid}) {words}')

    def _noticed(self, worker: WorkerBackend, problem: str) -> None:
        with self._changed:
            if not self._closed:
                self._bury(worker, problem)

    def _start(self) -> None:
        """Start the next worker, and hand it over when it is ready."""
        made: WorkerBackend | None = None
        problem = ''
        try:
            made = self._make()
        except Exception as failed:  # whatever it is, the next one must be startable
            known = isinstance(failed, (FournexError, OSError))
            problem = str(failed) if known else f'{type(failed).__name__}: {failed}'
            self._retry_ns = time.monotonic_ns() + round(RETRY_S * 1e9)
        with self._changed:
            self._not_started = problem
            if not self._closed:
                self._next, made = made, None
            self._changed.notify_all()
        if made is not None:
            made.close()

    def close(self) -> None:
        """End the workers. Later requests are refused."""
        with self._changed:
            if self._closed:
                return
            self._wake_keeper()
            self._closed = True
            ended = {self._newest, self._current, self._next, *self._dead}
            self._current = self._next = None
            self._changed.notify_all()
        for worker in ended - {None}:
            assert worker is not None
            worker.close()


def worker_number(backend: Backend) -> int:
    """Return which worker of a session answers, from 1; 0 where the runtime itself does."""
    return backend.number if isinstance(backend, SuccessiveWorkers) else 0


def describe_replacement(backend: Backend) -> list[tuple[str, str]]:
    """Return which worker answers now and why the one before it does not: for an event."""
    assert isinstance(backend, SuccessiveWorkers)
    number, pid, why = str(backend.number), str(backend.pid), backend.problem
    return [('worker', number), ('pid', pid), ('why', why)]


def worker_grants(backend: Backend) -> tuple[Grant, ...]:
    """Return what came of the real-time manners of a policy's worker, if it has one."""
    return backend.grants if isinstance(backend, SuccessiveWorkers) else ()


def describe_interpreter(backend: Backend) -> str:
    """Return in words under which Python a policy is asked, and with which numpy."""
    if isinstance(backend, SuccessiveWorkers):
        return backend.interpreter
    return f'python {sys.version.split()[0]}, numpy {np.__version__}'


def describe_isolation(backend: Backend) -> str:
    """Return in words what keeps a policy apart: for log, manifest and diagnostics."""
    if isinstance(backend, SuccessiveWorkers):
        spare = ', with a spare' if backend.has_spare else ''
        return f'process{spare}; {describe_caps(backend.caps)}'
    return 'inline, in the process of the runtime'
