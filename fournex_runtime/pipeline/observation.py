"""
From the newest messages of a session's sources to the policy's inputs.

All arithmetic is in float64 and in a fixed order, without threads, so that the same messages give
the same bits everywhere; the cast to the artifact's dtype comes last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configuration import FOREVER_NS
from ..errors import MessageError, WiringError
from ..immutable import immutable
from ..policy.contract import Contract, Normalisation, Term
from ..policy.contract_types import INTEGERS
from ..policy.installed_terms import observation_kind
from .fields import Vector
from .framed_readers import FramePose
from .input_plan import History, InputPlan, normalise
from .messages import Messages
from .observation_terms import ODOMETRY, build_image_reader, build_reader
from .port_checks import Ports
from .ports import FramePort, Port, Source
from .term_plan import (
    ImageTerm,
    LastAction,
    LastActionTerm,
    NoiseTerm,
    NonFinite,
    ReadTerm,
    Seen,
    TermPlan,
    TimeTerm,
    Values,
)
from .transforms import NO_FRAMES, Frames

__all__ = [
    'History',
    'LastAction',
    'NonFinite',
    'Observation',
    'ObservationPipeline',
    'normalise',
]


@immutable
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
    :param frame_prefix: put before the frame names of contract and wiring.
    :param frame_ports: the ports that are frames instead of topics.
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
        frame_ports: Sequence[FramePort] = (),
    ) -> None:
        self._contract = contract
        self._sources = sources
        self._messages = messages
        self._frame_prefix = frame_prefix
        self._read_terms: list[ReadTerm] = []
        by_term: dict[str, dict[str, Port | FramePort]] = {}
        every: list[Port | FramePort] = [*ports, *frame_ports]
        for port in every:
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
        frames: Frames | None = None,
        seed: int = 0,
    ) -> Observation:
        """
        Build the policy's inputs.

        :param messages: the newest message of each source, none missing.
        :param last_action: of the tick before; zeros at the start of an episode.
        :param history: of the session; a term without one yet starts filled with its first value.
        :param tick: number of the tick in its episode, from 0.
        :param frames: where frames are; None where the wiring has none.
        :param seed: of the episode.
        :raises NonFinite: a value is not finite.
        :raises UnresolvedFrame: what takes a message to its term's frame is not known.
        :raises MessageError: a message lacks what its term needs.
        """
        following: dict[str, NDArray[Any]] = {}
        seen = Seen(messages, last_action, tick, frames or NO_FRAMES, seed)
        inputs: dict[str, NDArray[Any]] = {}
        for name, plan in self._inputs.items():
            inputs[name] = plan.build(seen, history, following)
        return Observation(inputs, following)

    def as_read(
        self,
        messages: Sequence[Any],
        last_action: LastAction,
        tick: int,
        frames: Frames | None = None,
        seed: int = 0,
    ) -> dict[str, Values]:
        """
        Return the present values of every term before relative_to, clip and scale, by its name.

        What people want to see of an observation; arguments and errors are those of
        :meth:`build`.
        """
        found: dict[str, Values] = {}
        seen = Seen(messages, last_action, tick, frames or NO_FRAMES, seed)
        for plan in self._inputs.values():
            found.update(plan.as_read(seen))
        return found

    def unresolved(self, messages: Sequence[Any], frames: Frames) -> tuple[str, ...]:
        """
        Return which frames the terms lack, in words, of those whose messages have come.

        :param messages: the newest message of each source; None before the first.
        :param frames: where frames are.
        """
        seen = Seen(messages, LastAction(np.empty(0), np.empty(0)), 0, frames)
        found = (one.unresolved(seen) for one in self._read_terms)
        return tuple(words for words in found if words)

    def _plan(self, term: Term, found: Mapping[str, Port | FramePort], whole: bool) -> TermPlan:
        names = observation_kind(term.kind).ports
        if set(found) != set(names):
            raise WiringError(f'{term.name}: is not wired')
        if term.kind == 'last_action':
            return LastActionTerm(term)
        if term.kind == 'noise':
            return NoiseTerm(term)
        if not names:
            return TimeTerm(term, self._contract.period_ns)
        where = {name: self._where(found[name]) for name in names}
        for port, source in where.values():
            try:
                self._messages.ensure(source.type)
            except MessageError as problem:
                raise WiringError(f'{port.where}: {problem}') from problem
        return self._read(term, where, [self._input(found[name]) for name in names], whole)

    def _where(self, port: Port | FramePort) -> tuple[Port, Source]:
        """Return a port with its source; a frame is read like an odometry from nowhere."""
        if isinstance(port, Port):
            return port, self._sources[port.source]
        nowhere = Port(port.term, port.port, -1, '', (), FOREVER_NS, port.place)
        return nowhere, Source('', ODOMETRY)

    def _input(self, port: Port | FramePort) -> int | FramePose:
        if isinstance(port, Port):
            return port.source
        reference = self._frame_prefix + port.reference if port.reference else ''
        return FramePose(port.label, self._frame_prefix + port.frame, reference)

    def _read(
        self, term: Term, where: Ports, inputs: Sequence[int | FramePose], whole: bool
    ) -> TermPlan:
        """Build a term's reader."""
        port, _ = next(iter(where.values()))
        try:
            if term.shape:
                return ImageTerm(term, build_image_reader(term, where), port.source, whole)
            reader = build_reader(term, where, self._frame_prefix, self._messages)
        except (WiringError, MessageError) as problem:
            raise WiringError(f'{port.where}: {problem}') from problem
        plan = ReadTerm(term, reader, inputs)
        self._read_terms.append(plan)
        return plan


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
