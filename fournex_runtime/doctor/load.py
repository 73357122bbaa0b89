"""Whether one loop has the time for all sessions of a wiring."""

from __future__ import annotations

from collections.abc import Sequence

from ..session.load import TickCost, load_words, shares
from ..session.sharing import sharing
from ..session.wiring import Wiring
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Survey

_WARM = 0.8
_MENDING = (
    'Put some into a runtime of their own, have them tick more seldom, or take a faster machine'
)


def surveyed_costs(wiring: Wiring, survey: Survey) -> list[TickCost]:
    """Return what the ticks of sessions take at least, of those of which one could be made."""
    group = {name: number for number, names in enumerate(sharing(wiring)) for name in names}
    found = []
    for session in wiring.sessions:
        fastest_ns = {
            stage: min(times) for stage, times in survey.tick_ns.get(session.name, {}).items()
        }
        if fastest_ns:
            answer_ns = fastest_ns.pop('infer')
            found.append(
                TickCost(
                    session.name,
                    wiring.bundles[session.name].contract.period_ns,
                    sum(fastest_ns.values()),
                    answer_ns,
                    group[session.name],
                    session.name in survey.in_loop,
                )
            )
    return found


def check_load(wiring: Wiring, costs: Sequence[TickCost], simulated: bool) -> Finding:
    """
    Judge whether the sessions fit into one loop.

    :param costs: what their ticks take at least.
    :param simulated: they follow ``/clock``: how fast time goes then is not known.
    """
    about, total = 'sessions', sum(shares(costs).values())
    lockstep = all(session.lockstep for session in wiring.sessions)
    if lockstep or total <= _WARM:
        unknown = {one.name for one in wiring.sessions} - {one.session for one in costs}
        if unknown:
            names = ', '.join(sorted(unknown))
            return not_checked('load', about, f'no tick could be made of what came for {names}')
        return passed('load', about, load_words(costs))
    words, mend = load_words(costs), _MENDING
    if total > 1.0 and wiring.realtime.fits and not simulated:
        mend += '; realtime: {on_overload: report} begins all the same'
        return failure('load', about, words, mend)
    return warning('load', about, words, mend)
