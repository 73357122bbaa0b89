"""What operators want of a session: commands instead of the policy's, and stops."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ..configuration import FOREVER_NS
from ..errors import MessageError, WiringError
from ..finite import all_finite
from ..pipeline.command_readers import CommandReader, command_reader
from ..pipeline.command_values import CommandPart
from ..pipeline.messages import Messages
from ..pipeline.newest_messages import SourceDecoder
from ..policy.contract import Contract
from ..safety.reactions import Fault
from .tick import Latched, Manual, TickInputs, Vector, frozen
from .wiring_operators import BOOL
from .wiring_types import Override, SessionWiring, StopTopic


class Operators:
    """
    The overrides and stop topics of a session, as ``twist_mux`` has its topics and locks.

    :param contract: of the session's policy.
    :param wiring: of the session.
    :param messages: the message types.
    :param decoders: of the sources.
    :param frame_prefix: put before the frame names of commands.
    :raises WiringError: a command cannot be read.
    """

    def __init__(
        self,
        contract: Contract,
        wiring: SessionWiring,
        messages: Messages,
        decoders: Sequence[SourceDecoder],
        frame_prefix: str,
    ) -> None:
        self._wiring = wiring
        self.any = bool(wiring.overrides or wiring.stop_topics)
        """Whether there are overrides or stop topics."""
        self._messages = messages
        self._decoders = decoders
        self._first_of_all = sorted(wiring.overrides, key=lambda one: -one.priority)
        self._readers: Mapping[int, Sequence[tuple[int, CommandReader]]] = {
            one.target: self._read(contract, one.target, frame_prefix) for one in wiring.overrides
        }

    def _read(
        self, contract: Contract, target: int, frame_prefix: str
    ) -> list[tuple[int, CommandReader]]:
        """Return what reads each term of a command topic, by the index of the term."""
        topic, found = self._wiring.targets[target].topic, []
        for index, (term, one) in enumerate(zip(contract.action_terms, self._wiring.term_targets)):
            if one.topic != topic:
                continue
            limits = self._wiring.limits[index]
            if one.frame:
                one = dataclasses.replace(one, frame=frame_prefix + one.frame)
            part = CommandPart(term, one, np.array(limits.low), np.array(limits.high))
            try:
                found.append((index, command_reader(part)))
            except WiringError as problem:
                raise WiringError(f'{one.where}: {problem}') from problem
        return found

    # --- stops -----------------------------------------------------------------------------------

    def stop(self, inputs: TickInputs, latched: Sequence[Latched | None]) -> str:
        """
        Return who stops the session in this tick, in words; empty when nobody does.

        A stop that is true stops for as long as it is; one that came and went within a tick has
        stopped, too.
        """
        for one in self._wiring.stop_topics:
            words = self._stop(one, inputs, latched[one.source])
            if words:
                return f'{one.name}: {self._wiring.sources[one.source].topic} {words}'
        return ''

    def _stop(self, one: StopTopic, inputs: TickInputs, newest: Latched | None) -> str:
        received = inputs.messages[one.source]
        if not one.holds:
            return 'asks for a stop' if received else ''
        if newest is None:
            return ''
        if newest.problem:
            return f'cannot be read: {newest.problem}'
        stops = self._decoders[one.source].message(newest.data).data
        if stops or any(self._true(taken.data) for taken in received[:-1]):
            return 'asks for a stop'
        silent_ns = inputs.steady_ns - newest.arrival_ns
        if silent_ns > one.timeout_ns:
            return f'is silent for {silent_ns / 1e6:.0f} ms, timeout {one.timeout_ns / 1e6:.0f} ms'
        return ''

    def _true(self, data: bytes) -> bool:
        try:
            return bool(self._messages.decode(data, BOOL).data)
        except MessageError:
            return True

    # --- overrides -------------------------------------------------------------------------------

    def manual(self, inputs: TickInputs, latched: Sequence[Latched | None]) -> Manual | None:
        """
        Return what operators command in this tick; None when none does.

        None may before every stop topic has spoken whose silence stops.
        """
        for stop in self._wiring.stop_topics:
            if stop.timeout_ns < FOREVER_NS and latched[stop.source] is None:
                return None
        values: list[Vector | None] = [None] * len(self._wiring.term_targets)
        causes: dict[int, str] = {}
        for one in self._first_of_all:
            newest = latched[one.source]
            if newest is None or inputs.steady_ns - newest.arrival_ns > one.timeout_ns:
                continue
            if one.target in causes:
                continue
            causes[one.target] = f'{one.name}: {self._wiring.sources[one.source].topic}'
            fault = self._fill(values, one, newest)
            if fault is not None:
                kind, words = fault
                return Manual('', (), (kind, f'{causes[one.target]}: {words}'))
        if not causes:
            return None
        return Manual(', '.join(causes.values()), tuple(values), None)

    def _fill(
        self, values: list[Vector | None], one: Override, newest: Latched
    ) -> tuple[Fault, str] | None:
        """Fill in what an operator commands; return why that cannot be done."""
        if newest.problem:
            return Fault.INVALID, newest.problem
        message = self._decoders[one.source].message(newest.data)
        try:
            for index, read in self._readers[one.target]:
                found = values[index] = frozen(read(message))
                if not all_finite(found):
                    return Fault.NON_FINITE, f'{self._wiring.limits[index].term} is not finite'
        except MessageError as problem:
            return Fault.INVALID, str(problem)
        return None
