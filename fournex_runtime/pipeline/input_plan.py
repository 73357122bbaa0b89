"""One input of the artifact: its terms put together, its history, its statistics, its dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from ..finite import all_finite
from ..policy.contract import ArrayLayout, Normalisation, Term
from .fields import Vector
from .newest_messages import NewestMessages
from .row_plan import RowPlan
from .term_plan import NonFinite, Seen, TermPlan, Values

History = Mapping[str, NDArray[Any]]
"""
Past values, oldest first, scaled, as the policy saw them: by term, of shape (history - 1, size);
by input as ``NAME/frames``, of shape (history - 1, *frame).
"""


class InputPlan:
    """
    An input of the artifact as its contract makes it.

    :param name: its name in the artifact.
    :param layout: how its terms lie in its array.
    :param terms: its terms in order.
    :param normalisation: of this input, with ``mean`` and ``var``; None without one.
    """

    def __init__(
        self,
        name: str,
        layout: ArrayLayout,
        terms: Sequence[TermPlan],
        normalisation: tuple[Normalisation, Vector, Vector] | None,
    ) -> None:
        self._name = name
        self._layout = layout
        self._terms = terms
        self._row = None if terms[0].term.shape else RowPlan(terms)
        self._remembers = any(one.term.history > 1 for one in terms)
        self._ends = np.cumsum([one.term.size for one in terms])[:-1]
        self._normalisation = normalisation
        self._dtype = np.dtype(layout.dtype)
        self._shape = layout.array_shape
        self._frames = f'{name}/frames'
        changed = self._remembers or layout.history > 1 or normalisation is not None
        self._plain = not changed and self._dtype.kind == 'f'
        """Whether its array is the row of its terms and nothing else."""

    def as_read(self, seen: Seen) -> dict[str, Values]:
        """Return each term's present values before any arithmetic; raises as :meth:`build`."""
        return {one.term.name: one.as_read(seen) for one in self._terms}

    def build(
        self,
        seen: Seen,
        history: History,
        following: dict[str, NDArray[Any]],
    ) -> NDArray[Any]:
        """
        Return the input's array.

        :param seen: what the tick has.
        :param history: of the session.
        :param following: takes what the history becomes.
        :raises NonFinite: a value is not finite.
        :raises MessageError: a message lacks what its term needs, or a value is not what the
            dtype of the input can hold.
        """
        row = None
        if self._row is not None and isinstance(seen.messages, NewestMessages):
            row = self._row.present(seen, seen.messages)
        if row is not None and self._plain:
            return row.astype(self._dtype).reshape(self._shape)
        with np.errstate(over='ignore'):  # what overflows is found before the policy is asked
            if row is None:
                parts = [one.present(seen) for one in self._terms]
            else:
                parts = np.split(row, self._ends) if self._remembers else [row]
            if self._remembers:
                pairs = zip(self._terms, parts)
                parts = [self._part(plan.term, one, history, following) for plan, one in pairs]
            values = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if self._layout.history > 1:
                values = self._stacked(values, history, following)
            if self._normalisation is not None:
                settings, mean, var = self._normalisation
                values = normalise(values.ravel(), mean, var, settings)
            return self._cast(values)

    def _part(
        self, term: Term, present: Values, history: History, following: dict[str, NDArray[Any]]
    ) -> Values:
        """Return the present values of a term with the history of its own."""
        if term.history == 1:
            return present
        past = history.get(term.name)
        if past is None:
            past = np.tile(present, (term.history - 1, 1))
        stack = np.concatenate([past, present[np.newaxis]])
        following[term.name] = stack[1:]
        return (stack[::-1] if term.newest_first else stack).ravel()

    def _stacked(
        self, values: Values, history: History, following: dict[str, NDArray[Any]]
    ) -> Values:
        """Return whole frames of the input one after the other."""
        layout = self._layout
        frame = values.reshape(layout.frame)
        past = history.get(self._frames)
        if past is None:
            past = np.repeat(frame[np.newaxis], layout.history - 1, axis=0)
        stack = np.concatenate([past, frame[np.newaxis]])
        following[self._frames] = stack[1:]
        ordered = stack[::-1] if layout.newest_first else stack
        if layout.axis is None or layout.axis == 0:
            return ordered
        return np.concatenate(tuple(ordered), axis=layout.axis)

    def _cast(self, values: Values) -> NDArray[Any]:
        if values.dtype == self._dtype:
            array = np.array(values, order='C').reshape(self._shape)
        elif self._dtype.kind == 'f':
            array = values.astype(self._dtype).reshape(self._shape)
        else:
            return self._counted(values)
        if self._dtype.kind == 'f' and not all_finite(array):
            raise NonFinite(f'{self._name}: a value is too large for {self._dtype}')
        return array

    def _counted(self, values: Values) -> NDArray[Any]:
        """Return whole numbers; what is none, or out of range, is a fault and never rounded."""
        bounds = np.iinfo(self._dtype)
        # The greatest int64 is no float64; 2**53 is the last up to which all whole numbers are.
        low, high = max(bounds.min, -(2**53)), min(bounds.max, 2**53)
        flat = values.ravel()
        bad = np.flatnonzero(~((flat == np.floor(flat)) & (flat >= low) & (flat <= high)))
        if bad.size:
            raise MessageError(
                f'{self._name}: value {bad[0]} is {flat[bad[0]]:g}, expected a whole number that '
                f'{self._dtype} holds'
            )
        return flat.astype(self._dtype).reshape(self._shape)


def normalise(vector: Vector, mean: Vector, var: Vector, settings: Normalisation) -> Vector:
    """Return ``clip((x - mean) / sqrt(var + epsilon))`` (VecNormalize.normalize_obs)."""
    scaled: Vector = (vector - mean) / np.sqrt(var + settings.epsilon)
    return np.clip(scaled, -settings.clip, settings.clip)
