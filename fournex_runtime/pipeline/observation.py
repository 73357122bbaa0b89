"""
From the newest messages of a session's sources to the policy's inputs.

All arithmetic is in float64 and in a fixed order, without threads, so that the same messages give
the same bits everywhere; the cast to the artifact's dtype comes last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ..errors import MessageError, WiringError
from ..policy.contract import Contract, Normalisation, Term
from ..policy.contract_types import INTEGERS
from ..policy.term_kinds import OBSERVATION_KINDS
from .fields import Vector
from .input_plan import History, InputPlan, normalise
from .messages import Messages
from .observation_terms import Ports, build_image_reader, build_reader
from .ports import Port, Source
from .term_plan import (
    ImageTerm,
    LastAction,
    LastActionTerm,
    NonFinite,
    ReadTerm,
    TermPlan,
    TimeTerm,
    Values,
)

__all__ = [
    'History',
    'LastAction',
    'NonFinite',
    'Observation',
    'ObservationPipeline',
    'normalise',
]


@dataclasses.dataclass(frozen=True)
class Observation:
    """
    What the policy is asked with.

    :param inputs: one array for each input of the artifact, of the contract's shape and dtype.
    :param history: what the session's history becomes if the tick is concluded.
    """

    inputs: Mapping[str, NDArray[Any]]
    history: History


class ObservationPipeline:
    """
    The observation of one session, as its contract and wiring make it.

    :param contract: what the policy sees.
    :param sources: the topics that the session samples.
    :param ports: how the terms read them.
    :param messages: the message types.
    :param statistics: ``mean`` and ``var`` of each normalised input, by name.
    :param frame_prefix: put before the contract's frame names.
    :raises WiringError: a term is not wired, cannot be read from its message type, or statistics
        are missing.
    """

    def __init__(
        self,
        contract: Contract,
        sources: Sequence[Source],
        ports: Sequence[Port],
        messages: Messages,
        statistics: Mapping[str, tuple[Vector, Vector]],
        frame_prefix: str = '',
    ) -> None:
        self._contract = contract
        self._sources = sources
        self._messages = messages
        self._frame_prefix = frame_prefix
        by_term: dict[str, dict[str, Port]] = {}
        for port in ports:
            by_term.setdefault(port.term, {})[port.port] = port
        self._inputs: dict[str, InputPlan] = {}
        for name, terms in contract.inputs.items():
            layout = contract.input_layouts[name]
            whole = layout.dtype in INTEGERS
            plans = [self._plan(term, by_term.get(term.name, {}), whole) for term in terms]
            normalisation = _normalisation(contract, name, statistics)
            self._inputs[name] = InputPlan(name, layout, plans, normalisation)

    def initial_history(self) -> dict[str, NDArray[Any]]:
        """Return the history at the start of an episode: empty; it fills with the first value."""
        return {}

    def build(
        self,
        messages: Sequence[Any],
        last_action: LastAction,
        history: History,
        tick: int = 0,
    ) -> Observation:
        """
        Build the policy's inputs.

        :param messages: the newest message of each source, none missing.
        :param last_action: of the tick before; zeros at the start of an episode.
        :param history: of the session; a term without one yet starts filled with its first value.
        :param tick: number of the tick in its episode, from 0.
        :raises NonFinite: a value is not finite.
        :raises MessageError: a message lacks what its term needs.
        """
        following: dict[str, NDArray[Any]] = {}
        inputs = {
            name: plan.build(messages, last_action, history, tick, following)
            for name, plan in self._inputs.items()
        }
        return Observation(inputs, following)

    def as_read(
        self, messages: Sequence[Any], last_action: LastAction, tick: int
    ) -> dict[str, Values]:
        """
        Return the present values of every term before relative_to, clip and scale, by its name.

        What people want to see of an observation; arguments and errors are those of
        :meth:`build`.
        """
        found: dict[str, Values] = {}
        for plan in self._inputs.values():
            found.update(plan.as_read(messages, last_action, tick))
        return found

    def _plan(self, term: Term, found: Mapping[str, Port], whole: bool) -> TermPlan:
        names = OBSERVATION_KINDS[term.kind].ports
        if set(found) != set(names):
            raise WiringError(f'{term.name}: is not wired')
        if term.kind == 'last_action':
            return LastActionTerm(term)
        if not names:
            return TimeTerm(term, self._contract.period_ns)
        where = {key: (found[key], self._sources[found[key].source]) for key in names}
        for port, source in where.values():
            try:
                self._messages.ensure(source.type)
            except MessageError as problem:
                raise WiringError(f'{port.where}: {problem}') from problem
        return self._read(term, where, whole)

    def _read(self, term: Term, where: Ports, whole: bool) -> TermPlan:
        """Build a term's reader."""
        port, _ = next(iter(where.values()))
        try:
            if term.shape:
                return ImageTerm(term, build_image_reader(term, where), port.source, whole)
            reader = build_reader(term, where, self._frame_prefix, self._messages)
        except (WiringError, MessageError) as problem:
            raise WiringError(f'{port.where}: {problem}') from problem
        return ReadTerm(term, reader, [port.source for port, _ in where.values()])


def _normalisation(
    contract: Contract, name: str, statistics: Mapping[str, tuple[Vector, Vector]]
) -> tuple[Normalisation, Vector, Vector] | None:
    settings = next((one for one in contract.normalisation if one.input == name), None)
    if settings is None:
        return None
    if name not in statistics:
        raise WiringError(
            f'{contract.reference}: normalisation: expected mean and var of input {name} from '
            f'{settings.file}, found no statistics in the bundle'
        )
    size = contract.input_size(name)
    for key, array in zip(('mean', 'var'), statistics[name]):
        if array.shape != (size,):
            raise WiringError(
                f'{contract.reference}: normalisation: {key} has shape {list(array.shape)}, the '
                f'input {name} has {size} values'
            )
    return settings, *statistics[name]
