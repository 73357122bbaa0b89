"""Which sessions of a wiring ask one policy together."""

from __future__ import annotations

from collections.abc import Hashable

from ..policy.backend import signature
from ..policy.bundle import Bundle
from .wiring_types import SessionWiring, Wiring


def sharing(wiring: Wiring) -> list[list[str]]:
    """
    Return the names of the sessions that ask one policy together, in the order of the wiring.

    They have the same artifact, of the same arrays, and ask for the same means of inference. What
    makes arrays of messages and commands of arrays is each session's own, so their contracts may
    differ in that, and in their rate. The place of a session in its list is its row in a batch.
    """
    found: dict[Hashable, list[str]] = {}
    for session in wiring.sessions:
        key = _runs(wiring.bundles[session.name], session)
        found.setdefault(key, []).append(session.name)
    return list(found.values())


def _runs(bundle: Bundle, session: SessionWiring) -> Hashable:
    """Return what a policy is run of and with; the session's name where it shares with nobody."""
    if not session.inference.batch or session.reactions.uses_late:
        return session.name  # who waits for a late answer makes nobody else wait
    contract = bundle.contract
    artifact = (contract.artifact.backend, contract.artifact.sha256)
    return artifact, signature(contract), contract.state, session.inference
