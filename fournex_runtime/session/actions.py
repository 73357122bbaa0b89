"""What a session makes of the policy's answer: checked arrays, raw actions, safe actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..clip import clip
from ..finite import all_finite
from ..pipeline.action_terms import build_action
from ..pipeline.observation import LastAction
from ..policy.backend import ArraySpec, signature
from ..policy.contract import Contract
from ..safety.gate import Gate, NonFiniteCommand, NoRotation
from ..safety.limits import Limits
from ..safety.reactions import Fault
from .blending import blended
from .tick import ANSWERED, Answer, AnswerKind, Arrays, SafeAction, Vector, frozen


class UnusableAnswer(Exception):
    """The policy's answer cannot be used; ``fault`` says why."""

    def __init__(self, kind: Fault, words: str) -> None:
        super().__init__(words)
        self.fault = (kind, words)


class SessionActions:
    """
    The action terms of a session with their limits.

    :param contract: what the artifact's outputs mean.
    :param limits: the wiring's limits of each action term.
    """

    def __init__(self, contract: Contract, limits: Sequence[Limits]) -> None:
        self._contract = contract
        self._rows = 1 if contract.chunk is None else contract.chunk.size
        state = (ArraySpec(one.name, one.shape, 'float32') for one in contract.state)
        self._outputs, self._state = _typed(signature(contract).outputs), _typed(state)
        self._terms = [build_action(term) for term in contract.action_terms]
        self._gates = [Gate(one, contract.period_ns) for one in limits]
        ends = np.cumsum([one.term.width for one in self._terms]).tolist()
        self._slices = [slice(*bounds) for bounds in zip([0, *ends], ends)]
        bounds = [one.bounds for one in self._terms]
        self._low, self._high = (np.concatenate(side) for side in zip(*bounds))

    def none_yet(self) -> LastAction:
        """Return what ``last_action`` terms see at the beginning of an episode."""
        zeros = frozen(np.zeros(self._contract.action_size))
        return LastAction(zeros, zeros)

    def answered(self, answer: Answer) -> Answer:
        """
        Return an answer whose arrays nobody else can change, and which the contract knows.

        A result of another name, shape or dtype becomes ``FAILED``: it can be neither used nor
        recorded.
        """
        if answer.kind not in ANSWERED:
            return Answer(answer.kind, problem=answer.problem)
        own: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        sides = ((self._outputs, answer.outputs), (self._state, answer.state))
        for mine, (specs, arrays) in zip(own, sides):
            for spec, dtype in specs:
                array: Any = arrays.get(spec.name)
                if not isinstance(array, np.ndarray):
                    problem = f'{spec.name} is {"missing" if array is None else "no array"}'
                elif array.dtype != dtype or array.shape != spec.shape:
                    problem = spec.mismatch(array)
                else:
                    mine[spec.name] = copied = array.copy()
                    copied.setflags(write=False)
                    continue
                return Answer(AnswerKind.FAILED, problem=f'the policy gave {problem}')
        return Answer(answer.kind, *own)

    def usable(self, answer: Answer) -> NDArray[np.float64]:
        """
        Return the raw actions of an answer: one row, or one for each action of a chunk.

        :raises UnusableAnswer: it came late or not at all, or holds what is not finite.
        """
        if answer.kind is AnswerKind.LATE:
            raise UnusableAnswer(Fault.LATE, answer.problem)
        if answer.kind not in ANSWERED:
            raise UnusableAnswer(Fault.FAILED, answer.problem)
        for arrays in (answer.outputs, answer.state):
            for name, array in arrays.items():
                if not all_finite(array):
                    raise UnusableAnswer(Fault.NON_FINITE, f'the policy gave {name} not finite')
        return self.rows(answer.outputs)

    def rows(self, outputs: Arrays) -> NDArray[np.float64]:
        """Return the raw actions of the artifact's outputs, one a row."""
        parts = []
        for spec, _ in self._outputs:
            parts.append(outputs[spec.name].reshape(self._rows, -1))
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return whole.astype(np.float64)

    def as_last(self, raw: Vector) -> LastAction:
        """Return what ``last_action`` terms see after a raw action."""
        clipped = clip(raw, self._low, self._high)
        raw.setflags(write=False)
        clipped.setflags(write=False)
        return LastAction(raw, clipped)

    def asked(self, action: LastAction) -> tuple[Vector, ...]:
        """Return what an action asks for, term by term, before all limits."""
        found = []
        for term, where in zip(self._terms, self._slices):
            found.append(term.command(action.clipped[where]))
        return tuple(found)

    def between(self, begin: SafeAction, end: SafeAction, share: float) -> SafeAction:
        """Return the command a share of the way from one to another: see :func:`blended`."""
        return blended(self._terms, begin, end, share)

    def through_gate(
        self, asked: SafeAction, last_safe: SafeAction | None, before_safe: SafeAction | None
    ) -> tuple[SafeAction, tuple[str, ...]]:
        """
        Return what may be commanded of what is asked for, and which limits changed it.

        :param asked: by action term; None for a term that commands nothing.
        :param last_safe: the safe action before it; None before the first.
        :param before_safe: the safe action before that.
        :raises UnusableAnswer: there is no command for it.
        """
        safe: list[Vector | None] = []
        limited: list[str] = []
        for index, (gate, values) in enumerate(zip(self._gates, asked)):
            if values is None:
                safe.append(None)
                continue
            last = None if last_safe is None else last_safe[index]
            before = None if before_safe is None else before_safe[index]
            try:
                passed, touched = gate.check(values, last, before)
            except NonFiniteCommand as problem:
                raise UnusableAnswer(Fault.NON_FINITE, str(problem)) from problem
            except NoRotation as problem:
                raise UnusableAnswer(Fault.FAILED, str(problem)) from problem
            passed.setflags(write=False)
            safe.append(passed)
            limited.extend(touched)
        return tuple(safe), tuple(limited)


def _typed(specs: Iterable[ArraySpec]) -> tuple[tuple[ArraySpec, np.dtype[Any]], ...]:
    """Return arrays with their dtypes, which need not be looked up by name at every tick."""
    return tuple((spec, np.dtype(spec.dtype)) for spec in specs)
