"""A backend that runs in a worker: a process of its own, perhaps under another Python."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import overload

from ..errors import LateAnswer, WorkerDied
from ..kernel import Grant, ask_urgency
from ..policy.backend import Arrays, Request, Signature, signature
from ..policy.batch import Outcomes, all_answered, greatest_size, run_one_by_one
from ..policy.bundle import Bundle
from ..policy.contract_types import DATA_BACKENDS
from ..policy.inference import DEFAULT_INFERENCE, Inference
from ..policy.onnx_artifact import onnx_model
from .caps import Cap
from .channel import ChannelHandles, ChannelLayout, SessionSide, sealed_memory
from .interpreter import find_interpreter, packages
from .process import WorkerProcess
from .report import WorkerReport
from .wait import Waiter

_ARTIFACT_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class WorkerBackend:
    """
    The artifact of a bundle in a worker.

    The worker gets the bytes that were checked against the contract's hash. It holds nothing that
    outlives a request: the session's state goes in and comes out with each.

    :param bundle: the bundle; its artifact is checked against its contract here.
    :param inference: the worker's interpreter, the providers, how many threads its libraries may
        use, and on which processor cores: all that this process may, when left out. Waking a
        sleeping core is most of what a worker costs; on the core of the loop, which waits
        meanwhile, it costs least, and there a hung worker competes with the loop.
    :param timeout_s: how long :meth:`run` waits for an answer.
    :param ready_timeout_s: how long loading and warming up may take.
    :param warm_up: how often the artifact is run on zeros before the worker is ready; at least
        once.
    :param model: what ``onnx_model()`` returns for the bundle, where that is known already.
    :raises ArtifactError: the artifact does not load or does not fit the contract, or none of the
        providers can be used.
    :raises ConfigurationError: the interpreter cannot be run, or is too old.
    :raises MissingDependencyError: the interpreter lacks a package.
    :raises WorkerDied: the worker ended or was not ready in time.
    """

    def __init__(
        self,
        bundle: Bundle,
        inference: Inference = DEFAULT_INFERENCE,
        *,
        timeout_s: float = 1.0,
        ready_timeout_s: float = 60.0,
        warm_up: int = 10,
        model: bytes | None = None,
    ) -> None:
        contract = bundle.contract
        backend, content = contract.artifact.backend, bundle.artifact
        if backend in DATA_BACKENDS:
            backend, content = 'onnx', model or onnx_model(bundle)
        self.file = str(bundle.folder / contract.artifact.file)
        self.timeout_ns = round(timeout_s * 1e9)
        """How long :meth:`run` waits; may be changed from one call to the next."""
        self._asked = self._answered = self._deadline_ns = 0
        self._requests: Sequence[Request | None] = ()
        self.silent_since_ns = 0
        """When the first late answer was missed since it last said something; 0: none was."""
        self.late = 0
        """How many requests were given up."""
        self._closed, self._closing = False, threading.Lock()
        interpreter = find_interpreter(backend, inference.python, self.file)
        spec = signature(contract)
        self._rows = inference.rows
        layout = ChannelLayout(spec, contract.state, greatest_size(inference.rows))
        self._handles = ChannelHandles.create(layout.size)
        self._release = weakref.finalize(self, _close_all, self._handles.descriptors)
        try:
            self._channel = SessionSide(layout, self._handles)
            artifact = sealed_memory('fournex-artifact', content, _ARTIFACT_SEALS)
            try:
                self._process = WorkerProcess(
                    interpreter,
                    {
                        'backend': backend,
                        'file': self.file,
                        'packages': packages(backend),
                        'artifact': artifact,
                        'writes': _writes(backend, inference),
                        'channel': self._handles.descriptors,
                        'signature': _plain(spec),
                        'state': [dataclasses.asdict(one) for one in contract.state],
                        'warm_up': warm_up,
                        'providers': inference.providers,
                        'cores': sorted(inference.cores),
                        'memory': inference.memory_bytes,
                        'rows': inference.rows,
                        'priority': inference.priority,
                        'lock_memory': inference.lock_memory,
                        'deterministic': inference.deterministic,
                    },
                    (artifact, *self._handles.descriptors),
                    inference.threads,
                )
            finally:
                os.close(artifact)
        except BaseException:
            self._release()
            raise
        try:
            self.report: WorkerReport = self._process.wait_until_ready(ready_timeout_s)
        except BaseException:
            self.close()
            raise
        self.grants = self._ask(inference.priority)
        """What came of the real-time manners that it is to have."""
        self.batch_size = self._checked_batch_size(layout.rows)
        """How many rows a batch is to have; 0: none."""
        self._waiter, self._spin_ns = Waiter(self.descriptors), inference.spin_ns

    def _ask(self, priority: int) -> tuple[Grant, ...]:
        """Ask for a priority; not before it has warmed up, which takes long."""
        found = [] if self.report.lock is None else [self.report.lock]
        return (*found, ask_urgency(self.pid, priority)) if priority else tuple(found)

    def _checked_batch_size(self, most: int) -> int:
        """Return what the worker says, which may be anything."""
        size = self.report.batch_size
        if not 0 <= size <= most:
            self.close()
            raise WorkerDied(f'{self.file}: its worker wants batches of {size}, most are {most}')
        return size

    @property
    def descriptors(self) -> tuple[int, int]:
        """Return the descriptors that can be read when an answer is there, or will never be."""
        return self._handles.answer, self._process.death

    @property
    def threads(self) -> int:
        """Return how many processor threads its library uses, as the worker says."""
        return self.report.threads

    @property
    def description(self) -> str:
        """Return library, version and provider."""
        return self.report.description

    @property
    def provider(self) -> str:
        """Return what computes it."""
        return self.report.provider

    @property
    def caps(self) -> tuple[Cap, ...]:
        """Return what its worker cannot do, or can though it should not."""
        return self.report.caps

    @property
    def pid(self) -> int:
        """Return the worker's process id."""
        return self._process.pid

    @property
    def death(self) -> int:
        """Return the file descriptor that can be read once the worker has ended."""
        return self._process.death

    def log(self) -> str:
        """Return the beginning of what the worker has printed."""
        return self._process.log()

    def ending(self) -> str:
        """Return in words how the worker has ended."""
        return f'{self.file}: its worker {self._process.ending()}'

    def hangs(self, patience_ns: int) -> bool:
        """Return whether it has said nothing for so long after its first late answer."""
        since_ns = self.silent_since_ns
        if not since_ns or time.monotonic_ns() - since_ns < patience_ns:
            return False
        if Waiter((self._handles.answer,)).wait(0):  # an answer that nobody has fetched yet
            self.silent_since_ns = 0
            return False
        return True

    def excess(self) -> str:
        """Return in words what it has taken too much of; empty: nothing. Ask once a second."""
        return self._process.excess(self._answered)

    def kill(self) -> None:
        """End the worker's process at once; for any other thread than the one that asks."""
        self._process.kill()

    def run(self, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """
        Run the policy once; see :class:`~fournex_runtime.policy.backend.Backend`.

        :raises ArtifactError: the artifact failed, or an array is not what the contract says.
        :raises LateAnswer: no answer within ``timeout_s``; the next call asks anew.
        :raises WorkerDied: the worker has ended.
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
        if len(requests) < 2 or len(requests) > greatest_size(self._rows):
            return run_one_by_one(self, requests)
        self.ask(requests, batch=True)
        return all_answered(self.collect())

    def ask(
        self,
        requests: Sequence[Request | None],
        batch: bool = False,
        deadline_ns: int | None = None,
    ) -> None:
        """
        Put requests to the worker; :meth:`collect` returns its answers.

        :param requests: one a row, as for :meth:`run_batch`.
        :param batch: whether they go together; else there is one.
        :param deadline_ns: when they are late, on the steady clock; ``timeout_ns`` from now if
            left out.
        :raises ArtifactError: an array is not what the contract says.
        :raises WorkerDied: the worker was closed, or lets nobody ask.
        """
        if deadline_ns is None:
            deadline_ns = time.monotonic_ns() + self.timeout_ns
        self._deadline_ns = deadline_ns
        if self._closed:
            raise WorkerDied(f'{self.file}: its worker was closed')
        self._channel.put(requests, self.file, batch)
        self._requests = requests
        self._asked += 1
        try:
            os.eventfd_write(self._handles.request, 1)
        except BlockingIOError as problem:
            self.close()
            words = 'its worker has filled the count of requests'
            raise WorkerDied(f'{self.file}: {words}') from problem

    def wait_until(self, deadline_ns: int) -> None:
        """Give the answers to what was asked last more time, on the steady clock."""
        self._deadline_ns = deadline_ns

    @overload
    def collect(self) -> Outcomes: ...

    @overload
    def collect(self, until_ns: int | None) -> Outcomes | None: ...

    def collect(self, until_ns: int | None = None) -> Outcomes | None:
        """
        Return the answers to what was asked last, one a row.

        :param until_ns: how long to wait for them at most, on the steady clock; until they are
            late when left out.
        :returns: None where they are not there yet, and are not late either; of a row that failed
            while others did not, the error.
        :raises ArtifactError: the artifact failed.
        :raises LateAnswer: no answer within ``timeout_s``.
        :raises WorkerDied: the worker has ended.
        """
        if not self._answered_by(until_ns):
            return None
        return self._channel.take(self._requests)

    def _answered_by(self, until_ns: int | None) -> bool:
        """Wait for the answer to the last request, and pass over those to earlier ones."""
        waiter, spin_ns, deadline_ns = self._waiter, self._spin_ns, self._deadline_ns
        until_ns = deadline_ns if until_ns is None else min(until_ns, deadline_ns)
        while True:
            left_ns = until_ns - time.monotonic_ns()
            if waiter.wait(left_ns, spin_ns) if spin_ns else waiter.wait_through(left_ns):
                try:
                    self._answered += os.eventfd_read(self._handles.answer)
                    self.silent_since_ns = 0
                except BlockingIOError:  # dead; or taken back, which is as good as no answer
                    if waiter.wait(0) and waiter.readable(1):
                        raise WorkerDied(self.ending()) from None
                    continue
                if self._answered == self._asked:
                    return True
                if self._answered > self._asked:
                    self.close()
                    raise WorkerDied(f'{self.file}: its worker answered what nobody asked')
            now_ns = time.monotonic_ns()
            if now_ns >= deadline_ns:
                self.late += 1
                self.silent_since_ns = self.silent_since_ns or now_ns
                raise LateAnswer(f'{self.file}: no answer within {self.timeout_ns / 1e6:g} ms')
            if now_ns >= until_ns:
                return False

    def close(self) -> None:
        """End the worker, for any thread. Later requests are refused."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._process.close()
            self._channel.close()
            self._release()


def _writes(backend: str, inference: Inference) -> bool:
    """Return whether what runs an artifact writes files: torch, and drivers that compile."""
    return backend != 'onnx' or inference.providers != ('cpu',)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _plain(spec: Signature) -> dict[str, list[tuple[str, tuple[int, ...], str]]]:
    """Return a signature as JSON can hold it."""
    return {
        field.name: [(one.name, one.shape, one.dtype) for one in getattr(spec, field.name)]
        for field in dataclasses.fields(spec)
    }
