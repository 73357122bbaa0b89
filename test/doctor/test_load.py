"""Whether all sessions fit into one loop: judged before any of them is started."""

from __future__ import annotations

import pathlib

import pytest
from tiny_session import WIRING, edited, make_bundle

from fournex_runtime.doctor.finding import Level
from fournex_runtime.doctor.load import check_load, surveyed_costs
from fournex_runtime.doctor.survey import Survey
from fournex_runtime.session.wiring import Wiring, parse_wiring

MS = 1_000_000
LOCKSTEP = ('    policy: bundle\n', '    policy: bundle\n    pacing: {lockstep: joint_states}\n')


def wiring(names: str, end: str = '', *changes: tuple[str, str]) -> Wiring:
    """Return sessions of 20 ms that ask one policy, or by ``changes`` each its own."""
    head, body = WIRING.split('  tiny:\n')
    bodies = [
        f'  {name}:\n{edited(body, ("topic: commands", f"topic: {name}"), *changes)}'
        for name in names
    ]
    bundles = dict.fromkeys(names, make_bundle())
    return parse_wiring(head + ''.join(bodies) + end, pathlib.Path('wiring.yaml'), bundles)


def seen(names: str, observe_ms: float, infer_ms: float = 1.0, in_loop: bool = False) -> Survey:
    """Return what is seen of sessions whose ticks take so long at least, and now and then more."""
    stages = {'observe': observe_ms, 'infer': infer_ms, 'conclude': 0.5, 'record': 0.5}
    times = {stage: (round(9 * one * MS), round(one * MS)) for stage, one in stages.items()}
    loop = frozenset(names if in_loop else '')
    return Survey(0, 0, {}, {}, tick_ns=dict.fromkeys(names, times), in_loop=loop)


def judged(wired: Wiring, survey: Survey, simulated: bool = False):
    """Return what is found of them."""
    return check_load(wired, surveyed_costs(wired, survey), simulated)


@pytest.mark.parametrize(
    ('observe_ms', 'level', 'words'),
    [(3.0, Level.PASS, 'they need at least 40% of the time that one loop has: a 20%, b 20%'),
     (8.0, Level.WARNING, 'they need at least 90% of the time that one loop has: a 45%, b 45%'),
     (9.5, Level.FAILURE, 'they need at least 105% of the time that one loop has: a 52%, b 52%')],
)  # fmt: skip
def test_each_fits_and_both_may_not(observe_ms, level, words):
    found = judged(wiring('ab'), seen('ab', observe_ms))
    assert (found.check, found.level, found.found) == ('load', level, words)
    assert ('on_overload: report' in found.mend) == (level is Level.FAILURE)


def test_a_policy_in_the_loop_takes_its_time_once_for_those_who_share_it():
    survey = seen('ab', 3.0, infer_ms=8.0, in_loop=True)
    assert 'at least 80% of' in judged(wiring('ab'), survey).found
    alone = ('policy: bundle', 'policy: bundle\n    inference: {batch: false}')
    assert judged(wiring('ab', '', alone), survey).level is Level.FAILURE


def test_what_an_activation_only_reports_is_no_failure():
    too_much = seen('ab', 15.0)
    reported = wiring('ab', 'realtime: {on_overload: report}\n')
    assert judged(reported, too_much).level is Level.WARNING
    assert judged(wiring('ab'), too_much, simulated=True).level is Level.WARNING
    assert judged(wiring('ab', '', LOCKSTEP), too_much).level is Level.PASS


def test_a_session_of_which_no_tick_could_be_made_is_no_pass():
    found = judged(wiring('abc'), seen('ab', 3.0))
    assert found.level is Level.NOT_CHECKED and found.found.endswith(' came for c')
    assert judged(wiring('abc'), seen('ab', 15.0)).level is Level.FAILURE, 'two are too much'
