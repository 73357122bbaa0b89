"""
A policy that one or more sessions ask, each with a row of its own.

Asking and fetching the answers are two steps, so that other sessions are served meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArtifactError, LateAnswer
from ..immutable import immutable
from ..policy.backend import Backend
from ..policy.backend import Request as Arguments
from ..policy.batch import Outcomes, run_apart
from ..worker.succession import SuccessiveWorkers
from .tick import Answer, AnswerKind, Request


@immutable
class Answered:
    """
    What came of asking for one session.

    :param answer: the answer.
    :param worker: number of the worker that gave it; 0: none.
    :param batch_size: rows of the batch that it was asked in; 0: by itself.
    :param batch_row: its row.
    """

    answer: Answer
    worker: int = 0
    batch_size: int = 0
    batch_row: int = 0


NOT_ASKED = Answered(Answer(AnswerKind.NONE))


class SharedPolicy:
    """
    A loaded artifact with the sessions that ask it.

    :param backend: the artifact.
    :param sessions: how many sessions ask it.
    :param deterministic: each session keeps its row, in batches of one size, so that it does not
        matter which others are due with it; else a batch has as many rows as there are requests.
    """

    def __init__(self, backend: Backend, sessions: int = 1, deterministic: bool = True) -> None:
        self.backend = backend
        self._shared = sessions > 1
        self._deterministic = deterministic
        self._workers = backend if isinstance(backend, SuccessiveWorkers) else None
        self.is_alone = sessions == 1 and self._workers is None
        """Whether one session asks it, and in this process: then :meth:`answer` is enough."""
        self._rows = [0]
        self._size = 0
        self._results: Outcomes | None = None
        self._problem: ArtifactError | None = None
        self._kind = AnswerKind.RESULT

    def describe(self, row: int) -> str:
        """Return in words how one of its sessions is asked."""
        size = self.backend.batch_size if self._shared else 0
        if not self._shared:
            return 'by itself'
        if not size:
            return 'with others, one after the other'
        return f'row {row} of {size}' if self._deterministic else f'a batch of up to {size}'

    @property
    def is_awaited(self) -> bool:
        """Return whether answers come from another process."""
        return self._workers is not None

    @property
    def absence(self) -> str:
        """Return why nobody is there to answer now, in words; empty where somebody is."""
        return '' if self._workers is None else self._workers.absence

    @property
    def due(self) -> str:
        """Return in words when answers are late; empty where the loop itself computes them."""
        return '' if self._workers is None else f'in {self._workers.timeout_ns / 1e6:g} ms'

    @property
    def deadline_ns(self) -> int:
        """Return when the answers to what was asked last are late; steady clock."""
        return 0 if self._workers is None else self._workers.deadline_ns

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that can be read when there is something to fetch."""
        return () if self._workers is None else self._workers.descriptors

    def answer(self, request: Request) -> Answered:
        """Ask for the only session, in this process, and return the answer."""
        try:
            outputs, following = self.backend.run(*_arguments(request))
            return Answered(Answer(AnswerKind.RESULT, outputs, following))
        except ArtifactError as problem:
            return Answered(Answer(AnswerKind.FAILED, problem=str(problem)))

    def ask(self, asked: Sequence[tuple[int, Request]], since_ns: int | None = None) -> None:
        """
        Ask for some sessions; what goes wrong is in the answers.

        :param asked: row and request of each; every request has an observation.
        :param since_ns: when the time of a worker began, on the steady clock; now if left out.
        """
        self._results, self._problem = None, None
        if asked[0][1].awaits_late and self._awaits_late(since_ns):
            return
        arguments = [_arguments(request) for _, request in asked]
        size = self.backend.batch_size if self._shared else 0
        requests: list[Arguments | None] = [*arguments]
        self._rows = list(range(len(asked)))
        batch = len(asked) > 1
        if size and self._deterministic:
            self._rows = [row for row, _ in asked]
            requests = [None] * size
            for row, one in zip(self._rows, arguments):
                requests[row] = one
            batch = True
        self._size = len(requests) if size and batch else 0
        self._kind = AnswerKind.RESULT
        try:
            if self._workers is not None:
                self._workers.ask(requests, batch, since_ns)
            elif batch:
                self._results = run_apart(self.backend, requests)
            else:
                self._results = [self.backend.run(*arguments[0])]
        except ArtifactError as problem:
            self._problem = problem

    def _awaits_late(self, since_ns: int | None) -> bool:
        """Wait for what was late in the tick before instead of asking, if the wiring says so."""
        workers = self._workers
        if self._shared or workers is None or not workers.await_late(since_ns):
            return False
        self._rows, self._size, self._kind = [0], 0, AnswerKind.BELATED
        return True

    def answers(self, until_ns: int | None = None) -> list[Answered] | None:
        """
        Return the answers to what was asked last, in its order.

        :param until_ns: how long to wait for them at most, on the steady clock; until they are
            late when left out.
        :returns: None where they are not there yet, and not late either.
        """
        kind, words = AnswerKind.FAILED, ''
        try:
            if self._problem is not None:
                raise self._problem
            if self._results is None:
                assert self._workers is not None
                self._results = self._workers.collect(until_ns)
                if self._results is None:
                    return None
        except LateAnswer as problem:
            kind, words = AnswerKind.LATE, str(problem)
        except ArtifactError as problem:
            words = str(problem)
        worker = 0 if self._workers is None else self._workers.number
        size, results = self._size, self._results
        found = []
        for row in self._rows:
            result = None if results is None else results[row]
            if isinstance(result, ArtifactError):
                answer = Answer(kind, {}, {}, str(result))
            elif result is None:
                answer = Answer(kind, {}, {}, words)
            else:
                answer = Answer(self._kind, *result)
            found.append(Answered(answer, worker, size, row if size else 0))
        return found


def _arguments(request: Request) -> Arguments:
    assert request.observation is not None
    return request.observation.inputs, request.recurrent
