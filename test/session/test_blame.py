"""Which stage is to blame when releases are missed; windows of ticks made by hand."""

import pytest

from fournex_runtime.session.blame import STAGES, blame_words
from fournex_runtime.session.statistics import TickStatistics
from fournex_runtime.session.tick import AnswerKind, Timing

PERIOD_NS = 20_000_000


def blame(ticks):
    """Return the blame for ticks, each a mapping of stages to milliseconds, skipped and late."""
    statistics = TickStatistics()
    for number, tick in enumerate(ticks):
        stages = {f'{stage}_ns': round(tick.get(stage, 0.1) * 1e6) for stage in STAGES}
        answer = AnswerKind.LATE if tick.get('late') else AnswerKind.RESULT
        timing = Timing(skipped=tick.get('skipped', 0), **stages)
        statistics.add(number * PERIOD_NS, timing, answer, False)
    return statistics.blame(PERIOD_NS)


def test_nobody_is_to_blame_while_the_rate_is_held():
    assert blame([]) == blame([{}]) == blame([{}] * 500) == ''
    one_in_five_hundred = [{'infer': 30}, {'skipped': 1}, *[{}] * 498]
    assert blame(one_in_five_hundred) == ''


@pytest.mark.parametrize('stage', STAGES[1:])
def test_every_tick_takes_too_long(stage):
    assert blame([{}, *[{stage: 25, 'skipped': 1}] * 100]) == stage


def test_now_and_then_one_takes_too_long_and_it_is_not_what_always_takes_the_most():
    usual, long = {'observe': 8}, {'observe': 8, 'publish': 14}
    assert blame([usual, long, {**usual, 'skipped': 1}, usual] * 50) == 'publish'


def test_ticks_are_short_and_the_loop_is_woken_too_late():
    assert blame([{'wait': 60, 'skipped': 2}] * 100) == 'wait'


def test_late_answers_are_the_policys():
    assert blame([{'infer': 20, 'late': True}, {}] * 50) == 'infer'


def test_late_answers_are_of_who_took_the_time_for_them():
    assert blame([{'observe': 30, 'skipped': 1, 'late': True}] * 50) == 'observe'


def test_it_goes_by_the_time_of_the_ticks_when_the_window_has_gone_round():
    before = [{'observe': 25, 'skipped': 1}] * 1024
    assert blame([*before, *[{'infer': 25, 'skipped': 1}] * 1000]) == 'infer'
    assert blame([*before, *[{}] * 1100]) == ''


def test_the_words_have_the_rate_the_time_and_what_to_do():
    words = blame_words('infer', 0.018, 0.0251, 0.02)
    assert words.startswith(
        'does not hold 50 Hz: infer takes 18 ms, p99 25.1 ms, of a 20 ms period: a smaller network'
    )
    assert 'give it a core and a priority' in blame_words('wait', 0.0, 0.0, 0.001)
    assert len({blame_words(stage, 0.1, 0.1, 0.1) for stage in STAGES}) == len(STAGES)
