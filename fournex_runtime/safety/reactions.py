"""
What happens when the policy cannot act: reactions in rising order, one for each kind of fault.

``hold`` repeats the last safe command for a bounded time; ``stop`` publishes the wiring's stop
command until a new episode is begun.
"""

from __future__ import annotations

import dataclasses
import enum

from ..configuration import FOREVER_NS, parse_duration_ns


class Fault(enum.Enum):
    """The kinds of fault that the wiring gives reactions for."""

    STALE = 'stale'
    """An input is older than its budget."""
    INVALID = 'invalid'
    """An input cannot be used: undecodable, wrong size, renamed joints, another frame."""
    NON_FINITE = 'non_finite'
    """An input, the policy's output or a command is not finite."""
    LATE = 'late'
    """The policy's answer was not there at its budget."""
    FAILED = 'failed'
    """The policy raised an error, or gave arrays of another name, shape or dtype."""


@dataclasses.dataclass(frozen=True)
class Reaction:
    """
    The reaction to one kind of fault.

    :param hold_ns: how long the last safe command is repeated before the stop; 0: stop at once.
    """

    hold_ns: int


def parse_reaction(text: str) -> Reaction:
    """
    Return a reaction from its text: ``stop``, or ``hold 100 ms then stop``.

    :raises ValueError: it is neither.
    """
    words = text.split()
    if words == ['stop']:
        return Reaction(0)
    if words[:1] == ['hold'] and words[-2:] == ['then', 'stop']:
        hold_ns = parse_duration_ns(' '.join(words[1:-2]))
        if hold_ns < FOREVER_NS:
            return Reaction(hold_ns)
    raise ValueError(f'expected "stop" or "hold 100 ms then stop", found {text!r}')
