"""
The state machine of a session: which mode may follow which, and what is done about a fault.

A tick has one mode. What decides it, first of all first:

1. a stop is asked for, or was and no episode has been begun since: ``STOPPED``;
2. an operator commands: ``MANUAL``;
3. an input that the policy needs has never come: ``STANDBY``;
4. something is wrong, or was and the policy may not act again yet: the step that the reaction to
   it has come to, ``FALLBACK`` or ``STOPPED``;
5. else ``POLICY``.

Which policy acts there is chosen by :class:`~.tick.PolicyChoice`, in any mode, and changes none.

Which mode may follow which is in :data:`FOLLOWING`. Out of ``STOPPED`` only a new episode leads.
An input that has come is not waited for again: ``STANDBY`` follows a stop that was asked for, or
an operator who took over, while it waited, but neither ``POLICY`` nor ``FALLBACK``; a runtime
refuses to choose a policy there one of whose inputs has never come.
"""

from __future__ import annotations

import dataclasses

from ..safety.reactions import Fault, Kind, Reactions
from .tick import Mode, Reacting, SessionState

_ALL = frozenset(Mode)
FOLLOWING = {
    Mode.STANDBY: _ALL - {Mode.STANDBY},
    Mode.POLICY: _ALL - {Mode.POLICY, Mode.STANDBY},
    Mode.FALLBACK: _ALL - {Mode.FALLBACK, Mode.STANDBY},
    Mode.STOPPED: _ALL - {Mode.STOPPED},
    Mode.MANUAL: _ALL - {Mode.MANUAL},
}
"""The other modes that each can go over to; ``STOPPED`` with a new episode only."""


class Modes:
    """
    Says what a session does about what is wrong.

    :param reactions: of the wiring.
    """

    def __init__(self, reactions: Reactions) -> None:
        self._reactions = reactions

    def wrong(
        self,
        state: SessionState,
        now_ns: int,
        started: bool,
        kind: Fault,
        words: str,
        own: bool,
        cannot: str = '',
    ) -> Reacting:
        """
        Return what is done about a fault.

        :param state: what the session remembered before the tick.
        :param now_ns: steady time of the tick.
        :param started: the tick begins an episode, and with it every time anew.
        :param kind: what is wrong.
        :param words: the same in words.
        :param own: the policy itself is at fault.
        :param cannot: the second policy that cannot act, so that no step is its; empty for none.
        """
        before = None if started else state.reacting
        since_ns = now_ns if before is None else before.since_ns
        given_up = () if before is None else before.given_up
        if cannot and cannot not in dict(given_up):
            given_up = (*given_up, (cannot, now_ns))
        step, begun_ns = self._reactions.to[kind].step(since_ns, now_ns, dict(given_up))
        found = Reacting(kind, words, own, since_ns, step, begun_ns, given_up=given_up)
        return _from_where(found, before, state, now_ns)

    def well(self, before: Reacting, state: SessionState, now_ns: int) -> Reacting | None:
        """
        Return what is done though nothing is wrong any more; None: the policy may act.

        :param before: what was done in the tick before.
        :param state: what the session remembered before the tick.
        :param now_ns: steady time of the tick.
        """
        after_ns = self._reactions.return_after_ns
        since_ns = now_ns if before.well_since_ns is None else before.well_since_ns
        if after_ns is None:
            if before.step.kind is Kind.HOLD:
                return None
        # While a second policy acts nobody sees whether the first one can again.
        elif now_ns - since_ns >= after_ns and not (
            before.of_policy and before.step.kind is Kind.POLICY
        ):
            return None
        step, begun_ns = self._reactions.to[before.kind].step(
            before.since_ns, now_ns, dict(before.given_up)
        )
        found = dataclasses.replace(before, step=step, begun_ns=begun_ns, well_since_ns=since_ns)
        return _from_where(found, before, state, now_ns)

    def given_up(self, reacting: Reacting, state: SessionState, now_ns: int) -> Reacting:
        """Return what is done when the second policy that was to act cannot."""
        given_up = (*reacting.given_up, (reacting.step.name, now_ns))
        step, begun_ns = self._reactions.to[reacting.kind].step(
            reacting.since_ns, now_ns, dict(given_up)
        )
        found = dataclasses.replace(reacting, step=step, begun_ns=begun_ns, given_up=given_up)
        return _from_where(found, reacting, state, now_ns)


def _from_where(
    found: Reacting, before: Reacting | None, state: SessionState, now_ns: int
) -> Reacting:
    """
    Return it with the command that a ramp begins with, the last one before it, and when.

    That can be when its time has half gone by, after a fault that had another reaction.
    """
    if found.step.kind is not Kind.RAMP:
        return dataclasses.replace(found, from_safe=None, from_ns=0)
    if before is not None and (before.step, before.begun_ns) == (found.step, found.begun_ns):
        return dataclasses.replace(found, from_safe=before.from_safe, from_ns=before.from_ns)
    return dataclasses.replace(found, from_safe=state.last_safe, from_ns=now_ns)
