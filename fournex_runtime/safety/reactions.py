"""
What happens when the policy cannot act: for each kind of fault a row of steps, in rising order.

``hold`` repeats the last safe command, ``ramp`` goes to a pose or to zero, ``policy`` lets a
second policy act, ``stop`` publishes the wiring's stop command until a new episode is begun. A
step lasts for its time, a second policy until it cannot act either; then comes the next.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping

from ..configuration import FOREVER_NS, parse_duration_ns

EXPECTED = '"stop", or steps that end in it: "hold 100 ms then ramp 1 s to POSE then stop"'
ZERO, DEFAULT_POSE = 'zero', 'default_pose'


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


class Kind(enum.Enum):
    """What a step of a reaction does."""

    HOLD = 'hold'
    RAMP = 'ramp'
    POLICY = 'policy'
    STOP = 'stop'


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """
    One step of a reaction.

    :param kind: what it does.
    :param duration_ns: for how long; of a second policy ``FOREVER_NS`` if as long as it can.
    :param name: the pose of a ramp, or the second policy.
    """

    kind: Kind
    duration_ns: int = FOREVER_NS
    name: str = ''

    def __str__(self) -> str:
        """Return the step as the wiring writes it, without its time."""
        if self.kind is Kind.RAMP:
            return f'ramp to {self.name}'
        return f'policy {self.name}' if self.kind is Kind.POLICY else self.kind.value


STOP = Step(Kind.STOP)


@dataclasses.dataclass(frozen=True)
class Reaction:
    """
    The reaction to one kind of fault.

    :param steps: what is done, one after the other; the last one is the stop.
    """

    steps: tuple[Step, ...]

    def step(self, since_ns: int, now_ns: int, given_up: Mapping[str, int]) -> tuple[Step, int]:
        """
        Return which step it has come to, and when that one began.

        :param since_ns: when the fault began.
        :param now_ns: now, on the same clock.
        :param given_up: second policies that could not act either, and since when.
        """
        begin_ns = since_ns
        for step in self.steps[:-1]:
            if step.kind is Kind.POLICY and step.name in given_up:
                begin_ns = max(begin_ns, given_up[step.name])
            elif now_ns < begin_ns + step.duration_ns:
                return step, begin_ns
            else:
                begin_ns += step.duration_ns
        return self.steps[-1], begin_ns


@dataclasses.dataclass(frozen=True)
class Reactions:
    """
    What a session does about each kind of fault.

    :param to: the reaction by kind.
    :param return_after_ns: how long nothing must have been wrong before the policy acts again by
        itself; None: it does so out of a hold only, and at once.
    :param uses_late: an answer that was late is waited for in the next tick, and used.
    :param places: where the wiring says so, as ``FILE:LINE: PATH``, by kind; for messages.
    """

    to: Mapping[Fault, Reaction]
    return_after_ns: int | None = None
    uses_late: bool = False
    places: Mapping[Fault, str] = dataclasses.field(default_factory=dict, compare=False)


_RAMP = re.compile(r'ramp (.+) to (\S+)')
_POLICY = re.compile(r'policy (\S+)(?: for (.+))?')


def parse_reaction(text: str) -> Reaction:
    """
    Return a reaction from its text, such as ``hold 100 ms then ramp 1 s to zero then stop``.

    :raises ValueError: it is none.
    """
    words = ' '.join(text.split())
    parts = words.split(' then ')
    if parts[-1] != 'stop' and not _POLICY.fullmatch(parts[-1]):
        raise ValueError(f'expected {EXPECTED}, found {text!r}')
    steps = [_step(part, text) for part in (parts[:-1] if parts[-1] == 'stop' else parts)]
    names = [step.name for step in steps if step.kind is Kind.POLICY]
    if len(set(names)) < len(names):
        raise ValueError(f'{text!r} has a second policy twice: one that could not act is not back')
    return Reaction((*steps, STOP))


def _step(part: str, text: str) -> Step:
    """Return a step that is not the stop at the end."""
    ramp, policy = _RAMP.fullmatch(part), _POLICY.fullmatch(part)
    if ramp:
        return Step(Kind.RAMP, _duration_ns(ramp[1], text), ramp[2])
    if policy:
        return Step(
            Kind.POLICY, _duration_ns(policy[2], text) if policy[2] else FOREVER_NS, policy[1]
        )
    if part.startswith('hold '):
        return Step(Kind.HOLD, _duration_ns(part.removeprefix('hold '), text))
    raise ValueError(f'expected {EXPECTED}, found {text!r}')


def _duration_ns(words: str, text: str) -> int:
    found = parse_duration_ns(words)
    if found >= FOREVER_NS:
        raise ValueError(f'expected {EXPECTED}, with times that end; found {text!r}')
    return found
