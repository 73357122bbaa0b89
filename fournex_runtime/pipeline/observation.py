"""
From the newest messages of a session's sources to the policy's inputs.

All arithmetic is in float64 and in a fixed order, without threads, so that the same messages give
the same bits everywhere; the cast to the artifact's float32 comes last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError, WiringError
from ..policy.contract import Contract, Normalisation, Term
from ..policy.term_kinds import OBSERVATION_KINDS
from .messages import Messages
from .observation_terms import Reader, build_reader
from .ports import Port, Source

Vector = NDArray[np.float64]
History = Mapping[str, Vector]
"""Past values by term, oldest first, shape (history - 1, size); scaled, as the policy saw them."""


class NonFinite(MessageError):
    """A term's value is not finite; never passed on to history, state or policy."""


@dataclasses.dataclass(frozen=True)
class LastAction:
    """
    The action of the tick before, as the policy gave it and after the contract's clip.

    :param raw: all action terms in order, as the artifact gave them.
    :param clipped: the same within the contract's clip.
    """

    raw: Vector
    clipped: Vector


@dataclasses.dataclass(frozen=True)
class Observation:
    """
    What the policy is asked with.

    :param inputs: one float32 array of shape (1, n) for each input of the artifact.
    :param history: what the session's history becomes if the tick is concluded.
    """

    inputs: Mapping[str, NDArray[np.float32]]
    history: History


class _TermPlan:
    """One term with its arithmetic bound."""

    def __init__(self, term: Term, reader: Reader | None, sources: Sequence[int]) -> None:
        self.term = term
        self.reader = reader
        self.sources = sources
        self.low, self.high = np.array(term.clip[0]), np.array(term.clip[1])
        self.clips = bool(np.isfinite(self.low).any() or np.isfinite(self.high).any())
        self.offset, self.scale = np.array(term.offset), np.array(term.scale)

    def present(self, messages: Sequence[Any], last_action: LastAction) -> Vector:
        """Return the term's present values after offset, clip and scale."""
        term = self.term
        if self.reader is None:
            return last_action.raw if term.options['of'] == 'raw' else last_action.clipped
        values = np.empty(term.size)
        try:
            self.reader([messages[source] for source in self.sources], values)
        except (ValueError, IndexError, AttributeError, TypeError) as problem:
            raise MessageError(f'{term.name}: cannot be read: {problem}') from problem
        if not np.isfinite(values).all():
            labels = [term.labels[i] for i in np.flatnonzero(~np.isfinite(values))[:3]]
            raise NonFinite(f'{term.name}: not finite at {", ".join(labels)}')
        with np.errstate(over='ignore'):  # what overflows is found before the policy is asked
            values -= self.offset
            if self.clips:
                np.clip(values, self.low, self.high, out=values)
            values *= self.scale
        return values


class ObservationPipeline:
    """
    The observation of one session, as its contract and wiring make it.

    :param contract: what the policy sees.
    :param sources: the topics that the session samples.
    :param ports: how the terms read them.
    :param messages: the message types.
    :param statistics: ``mean`` and ``var`` of the normalised input, if any.
    :param frame_prefix: put before the contract's frame names.
    :raises WiringError: a term is not wired, or cannot be read from its message type.
    """

    def __init__(
        self,
        contract: Contract,
        sources: Sequence[Source],
        ports: Sequence[Port],
        messages: Messages,
        statistics: tuple[Vector, Vector] | None,
        frame_prefix: str = '',
    ) -> None:
        self._inputs: dict[str, list[_TermPlan]] = {}
        by_term: dict[str, dict[str, Port]] = {}
        for port in ports:
            by_term.setdefault(port.term, {})[port.port] = port
        for name, terms in contract.inputs.items():
            self._inputs[name] = []
            for term in terms:
                found = by_term.get(term.name, {})
                names = OBSERVATION_KINDS[term.kind].ports
                if set(found) != set(names):
                    raise WiringError(f'{term.name}: is not wired')
                where = {key: (found[key], sources[found[key].source]) for key in names}
                for port, source in where.values():
                    _check_type(port, source, messages)
                reader = _reader(term, where, messages, frame_prefix) if names else None
                indices = [port.source for port, _ in where.values()]
                self._inputs[name].append(_TermPlan(term, reader, indices))
        self._normalisation = contract.normalisation
        self._statistics = statistics

    def initial_history(self) -> dict[str, Vector]:
        """Return the history at the start of an episode: empty; it fills with the first value."""
        return {}

    def build(
        self, messages: Sequence[Any], last_action: LastAction, history: History
    ) -> Observation:
        """
        Build the policy's inputs.

        :param messages: the newest message of each source, none missing.
        :param last_action: of the tick before; zeros at the start of an episode.
        :param history: of the session; a term without one yet starts filled with its first value.
        :raises NonFinite: a value is not finite.
        :raises MessageError: a message lacks what its term needs.
        """
        following: dict[str, Vector] = {}
        inputs = {}
        for name, plans in self._inputs.items():
            parts: list[Vector] = []
            for plan in plans:
                present = plan.present(messages, last_action)
                term = plan.term
                if term.history > 1:
                    past = history.get(term.name)
                    if past is None:
                        past = np.tile(present, (term.history - 1, 1))
                    stack = np.concatenate([past, present[np.newaxis]])
                    following[term.name] = stack[1:]
                    parts.append((stack[::-1] if term.newest_first else stack).ravel())
                else:
                    parts.append(present)
            vector = np.concatenate(parts)
            if self._normalisation is not None and self._normalisation.input == name:
                assert self._statistics is not None
                vector = normalise(vector, *self._statistics, self._normalisation)
            inputs[name] = _to_float32(name, vector)
        return Observation(inputs, following)


def normalise(vector: Vector, mean: Vector, var: Vector, settings: Normalisation) -> Vector:
    """Return ``clip((x - mean) / sqrt(var + epsilon))`` (VecNormalize.normalize_obs)."""
    scaled: Vector = (vector - mean) / np.sqrt(var + settings.epsilon)
    return np.clip(scaled, -settings.clip, settings.clip)


def _to_float32(name: str, vector: Vector) -> NDArray[np.float32]:
    with np.errstate(over='ignore'):
        array = vector.astype(np.float32)[np.newaxis]
    if not np.isfinite(array).all():
        raise NonFinite(f'{name}: a value is too large for float32')
    return array


def _check_type(port: Port, source: Source, messages: Messages) -> None:
    try:
        messages.ensure(source.type)
    except MessageError as problem:
        raise WiringError(f'{port.where}: {problem}') from problem


def _reader(
    term: Term,
    where: Mapping[str, tuple[Port, Source]],
    messages: Messages,
    frame_prefix: str,
) -> Reader:
    """Build a term's reader, and check the field that the wiring names for it."""
    port, source = next(iter(where.values()))
    try:
        reader = build_reader(term, where, frame_prefix)
        if port.field:
            array = True if term.kind.startswith('joint_') else None
            messages.check_field(source.type, port.field, array=array)
    except (WiringError, MessageError) as problem:
        raise WiringError(f'{port.where}: {problem}') from problem
    return reader
