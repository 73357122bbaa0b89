"""
A session whose ticks do not come: the loop hangs in one, or waits for a simulator.

It cannot say so itself; who reports on it looks at when its last tick began.
"""

from __future__ import annotations

_PERIODS = 5
"""Of the session, or of the rate that it had: a simulation may be slower than its clock."""
_LEAST_NS = 1_000_000_000

NO_TICK = 'no tick for'
"""How the cause of such a session begins."""


def silent_ns(since_ns: int, period_ns: int, rate: float) -> int:
    """
    Return for how long a session has been silent; 0 where that is in order.

    :param since_ns: since its last tick began, or it was started.
    :param period_ns: its control period.
    :param rate: its ticks per second as measured before; 0 where there were none.
    """
    usual_ns = max(period_ns, round(1e9 / rate) if rate > 0.0 else 0)
    return since_ns if since_ns > max(_PERIODS * usual_ns, _LEAST_NS) else 0


def silence_words(silent_ns: int, before: str) -> str:
    """
    Return what is said of a silent session.

    :param silent_ns: for how long it has been silent.
    :param before: what was said of it before; may be empty.
    """
    words = f'{NO_TICK} {silent_ns * 1e-9:.1f} s'
    return f'{words}; before: {before}' if before else words
