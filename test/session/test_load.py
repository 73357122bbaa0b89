"""Which part of a loop's time sessions take."""

import pytest

from fournex_runtime.configuration import FOREVER_NS
from fournex_runtime.session.load import TickCost, load_words, shares

MS = 1_000_000


def cost(name, period_ms, work_ms, answer_ms, policy=0, in_loop=True):
    answer_ns = FOREVER_NS if answer_ms is None else round(answer_ms * MS)
    return TickCost(name, period_ms * MS, round(work_ms * MS), answer_ns, policy, in_loop)


def test_a_policy_in_the_loop_counts_and_one_in_a_worker_does_not():
    found = shares([cost('a', 20, 1, 3), cost('b', 20, 1, 3, 1, in_loop=False)])
    assert found == pytest.approx({'a': 0.2, 'b': 0.05})


def test_one_run_for_several_counts_once_at_the_rate_of_the_fastest():
    together = [cost('a', 10, 1, 2), cost('b', 20, 1, 2)]
    assert shares(together) == pytest.approx({'a': 0.1 + 0.1, 'b': 0.05 + 0.1})
    apart = [cost('a', 10, 1, 2), cost('b', 20, 1, 2, 1)]
    assert sum(shares(apart).values()) == pytest.approx(0.3 + 0.15)


def test_a_policy_that_was_not_asked_is_not_counted():
    assert shares([cost('a', 20, 1, None)]) == pytest.approx({'a': 0.05})


def test_what_they_take_is_said_with_who_takes_most():
    words = load_words([cost(f'arm_{n}', 20, 0.4 + n, 0.5, n) for n in range(8)])
    assert words == (
        'they need at least 176% of the time that one loop has: '
        'arm_7 40%, arm_6 34%, arm_5 30%, arm_4 24%, arm_3 20% and 3 more'
    )
