"""
One worker after another for one session: what a worker's death leaves undone, the next one does.

A worker holds nothing that outlives a request, so the next one gives the same bits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from ..errors import FournexError, WorkerDied
from ..policy.backend import Arrays, Backend, Request
from ..policy.batch import run_one_by_one
from ..policy.bundle import Bundle
from ..policy.contract_types import DATA_BACKENDS
from ..policy.inference import DEFAULT_INFERENCE, Inference
from ..policy.onnx_artifact import onnx_model
from .backend import WorkerBackend
from .caps import Cap, describe_caps


class SuccessiveWorkers:
    """
    A worker, and those that come after it.

    With ``spare``, the next one is there before it is needed, loaded and warmed up, and takes over
    within the call in which the one before it dies. Without, it is started then. Starting happens
    in a thread of its own; the one that calls :meth:`run` waits for it only if it is to.

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
        self.deaths = 0
        """How many workers have died."""
        self._changed = threading.Condition()
        self._closed = self._starting = False
        self._problem = ''
        self._next: WorkerBackend | None = None
        self._current: WorkerBackend | None = self._make()
        self._newest = self._current
        if inference.spare:
            self._begin()

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
    def caps(self) -> tuple[Cap, ...]:
        """Return what came of the caps of the newest worker."""
        return self._newest.caps

    @property
    def pid(self) -> int:
        """Return the process id of the newest worker that has answered, or is to."""
        return self._newest.pid

    @property
    def has_spare(self) -> bool:
        """Return whether a spare is kept."""
        return self._inference.spare

    @property
    def spare_ready(self) -> bool:
        """Return whether a spare is loaded and warmed up."""
        return self._next is not None

    def run(self, inputs: Arrays, state: Arrays) -> Request:
        """
        Run the policy once; see :class:`~fournex_runtime.policy.backend.Backend`.

        :raises ArtifactError: the artifact failed, or an array is not what the contract says.
        :raises LateAnswer: no answer within ``timeout_ns``; the next call asks anew.
        :raises WorkerDied: the worker has ended, and there is no other yet.
        """
        deadline_ns = time.monotonic_ns() + self.timeout_ns
        while True:
            worker = self._current or self._take_next(deadline_ns)
            worker.timeout_ns = max(0, deadline_ns - time.monotonic_ns())
            try:
                return worker.run(inputs, state)
            except WorkerDied as problem:
                with self._changed:
                    if self._closed:
                        raise
                    self.deaths += 1
                    self._problem = str(problem)
                    self._current = None
                    spare = self._next is not None
                if not spare:
                    self._begin(worker)

    def _take_next(self, deadline_ns: int) -> WorkerBackend:
        """Make the next worker the current one, and have another started for a spare."""
        with self._changed:
            while self._next is None:
                left_s = (deadline_ns - time.monotonic_ns()) * 1e-9
                if not (self.waits and self._starting and left_s > 0):
                    if not self._starting:
                        self._begin()
                    raise WorkerDied(f'{self._problem}; the next one is being started')
                self._changed.wait(left_s)
            before, self._current, self._next = self._newest, self._next, None
            self._newest = self._current
        if self._inference.spare:
            self._begin(before)
        return self._current

    def _begin(self, before: WorkerBackend | None = None) -> None:
        """Start a worker in a thread, which also clears away one that has died."""
        with self._changed:
            if self._starting or self._closed:
                return
            self._starting = True
        threading.Thread(
            target=self._start, args=(before,), name='fournex-next-worker', daemon=True
        ).start()

    def _start(self, before: WorkerBackend | None) -> None:
        if before is not None:
            before.close()
        made: WorkerBackend | None = None
        problem = ''
        try:
            made = self._make()
        except Exception as failed:  # whatever it is, the next one must be startable
            known = isinstance(failed, (FournexError, OSError))
            problem = str(failed) if known else f'{type(failed).__name__}: {failed}'
        with self._changed:
            self._starting = False
            if problem:
                self._problem = problem
            if not self._closed:
                self._next, made = made, None
            self._changed.notify_all()
        if made is not None:
            made.close()

    def run_batch(self, requests: Sequence[Request]) -> list[Request]:
        """Run the policy for each request."""
        return run_one_by_one(self, requests)

    def close(self) -> None:
        """End the workers. Later requests are refused."""
        with self._changed:
            self._closed = True
            ended = {self._newest, self._current, self._next}
            self._next = None
        for worker in ended - {None}:
            assert worker is not None
            worker.close()


def describe_isolation(backend: Backend) -> str:
    """Return in words what keeps a policy apart: for log, manifest and diagnostics."""
    if isinstance(backend, SuccessiveWorkers):
        spare = ', with a spare' if backend.has_spare else ''
        return f'process{spare}; {describe_caps(backend.caps)}'
    return 'inline, in the process of the runtime'
