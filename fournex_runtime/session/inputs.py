"""What a session makes of the messages of a tick before the policy sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..configuration import FOREVER_NS
from ..errors import MessageError, WiringError
from ..pipeline.field_path import field_getter, field_path
from ..pipeline.messages import Messages, header_stamp_ns
from ..pipeline.newest_messages import SourceDecoder
from ..safety.reactions import Fault
from .tick import Latched, Received, TickInputs
from .wiring_types import SessionWiring

FUTURE_NS = 100_000_000
"""A stamp may lie this far in the future (clocks of two machines) before it is a fault."""


class SessionInputs:
    """
    The sources of a session: newest messages, their ages, and what is wrong with them.

    :param wiring: the session's wiring.
    :param messages: the message types.
    :param decoders: of the sources.
    :raises WiringError: a type lacks what the wiring reads from it.
    """

    def __init__(
        self, wiring: SessionWiring, messages: Messages, decoders: Sequence[SourceDecoder]
    ) -> None:
        self._wiring = wiring
        self._messages = messages
        self._decoders = decoders
        try:
            if wiring.reward is not None:
                source, field = wiring.reward
                path = field_path(messages, wiring.sources[source].type, field)
                path.numbers(many=False)
            self._has_header = [messages.has_header(source.type) for source in wiring.sources]
        except MessageError as problem:
            raise WiringError(f'sessions.{wiring.name}.reward: {problem}') from problem
        self._required = wiring.needed
        self._heard = wiring.heard
        self._tf_sources = wiring.tf_sources
        self._strictest = [
            (source, min(port.budget_ns for port in wiring.ports if port.source == source))
            for source in sorted({port.source for port in wiring.ports})
        ]
        paced = wiring.lockstep if wiring.phase is None else (wiring.phase[0],)
        for source in paced:
            if not self._has_header[source]:
                raise WiringError(
                    f'sessions.{wiring.name}.pacing: {wiring.sources[source].type} has no header, '
                    'so it carries no stamp to go by'
                )

    def latched(
        self, inputs: TickInputs, before: Sequence[Latched | None]
    ) -> tuple[Latched | None, ...]:
        """Return the newest message of each source: this tick's, or that of the ticks before."""
        found = list(before)
        for source, received in enumerate(inputs.messages):
            if received:
                found[source] = self._latch(source, received[-1])
        return tuple(found)

    def resumed(self, newest: Sequence[Received | None]) -> tuple[Latched | None, ...]:
        """Return the newest message of each source, as it was taken before."""
        return tuple(
            None if one is None else self._latch(source, one) for source, one in enumerate(newest)
        )

    def _latch(self, source: int, newest: Received) -> Latched:
        data = newest.data
        try:
            self._decoders[source].check(data)
        except MessageError as problem:
            return Latched(newest.index, newest.arrival_ns, 0, data, str(problem))
        stamp_ns = header_stamp_ns(data) if self._has_header[source] else 0
        return Latched(newest.index, newest.arrival_ns, stamp_ns, data)

    def stamp_ns(self, source: int, data: bytes) -> int | None:
        """Return the ``header.stamp`` of a source's message; None where it has none to read."""
        if not self._has_header[source]:
            return None
        try:
            self._decoders[source].check(data)
        except MessageError:
            return None
        return header_stamp_ns(data)

    def waiting(self, latched: Sequence[Latched | None], own: bool) -> str:
        """
        Return the topics that the session needs and that were always silent; empty for none.

        :param latched: newest message of each source.
        :param own: its own policy is to act; what another one needs is not told here.
        """
        silent = []
        for source in self._required if own else self._heard:
            if latched[source] is None:
                silent.append(self._wiring.sources[source].topic)
        return ', '.join(silent)

    def reward(self, inputs: TickInputs) -> float:
        """Return the sum of the rewards that came since the tick before; where one is wired."""
        assert self._wiring.reward is not None
        source, field = self._wiring.reward
        total = 0.0
        for received in inputs.messages[source]:
            try:
                message = self._messages.decode(received.data, self._wiring.sources[source].type)
                value = float(field_getter(field)(message))
            except MessageError:
                continue  # a reward is bookkeeping: an unreadable one is no reason to stop a robot
            total += value if np.isfinite(value) else 0.0
        return total

    def fault(
        self, latched: Sequence[Latched | None], ages_ns: Sequence[int]
    ) -> tuple[Fault, str] | None:
        """
        Return the first fault of the messages themselves, in the order of the contract.

        :param latched: newest message of each source; none that is required is missing.
        :param ages_ns: age of each source.
        """
        for source, budget_ns in self._strictest:
            one = latched[source]
            assert one is not None
            if one.problem or not -FUTURE_NS <= ages_ns[source] <= budget_ns:
                break  # somebody may have something to say about it
        else:
            if not self._tf_sources:
                return None
        for source in self._tf_sources:
            of_tf = latched[source]
            if of_tf is not None and of_tf.problem:
                return Fault.INVALID, f'{self._wiring.sources[source].topic}: {of_tf.problem}'
        for port in self._wiring.ports:
            one = latched[port.source]
            assert one is not None
            topic = self._wiring.sources[port.source].topic
            if one.problem:
                return Fault.INVALID, f'{port.label}: {topic}: {one.problem}'
            age_ns = ages_ns[port.source]
            if age_ns > port.budget_ns:
                return Fault.STALE, (
                    f'{port.label}: {topic} is {age_ns / 1e6:.0f} ms old, budget '
                    f'{port.budget_ns / 1e6:.0f} ms'
                )
            if age_ns < -FUTURE_NS and port.budget_ns < FOREVER_NS:
                return Fault.INVALID, (
                    f'{port.label}: {topic} is stamped {-age_ns / 1e6:.0f} ms in the future; the '
                    'clocks of publisher and runtime differ'
                )
        return None


def ages_ns(latched: Sequence[Latched | None], inputs: TickInputs) -> tuple[int, ...]:
    """Return the larger of age by arrival and age by stamp of each; -1 without a message."""
    found = []
    steady_ns, ros_ns = inputs.steady_ns, inputs.ros_ns
    for one in latched:
        if one is None:
            found.append(-1)
            continue
        age_ns, stamp_ns = steady_ns - one.arrival_ns, one.stamp_ns
        if stamp_ns:
            by_stamp = ros_ns - stamp_ns
            if by_stamp > age_ns or by_stamp < -FUTURE_NS:
                age_ns = by_stamp
        found.append(age_ns)
    return tuple(found)
