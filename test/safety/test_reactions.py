"""Reactions as the wiring writes them."""

import pytest

from fournex_runtime.safety.reactions import Reaction, parse_reaction


def test_stop_and_hold():
    assert parse_reaction('stop') == Reaction(0)
    assert parse_reaction('hold 100 ms then stop') == Reaction(100_000_000)
    assert parse_reaction('  hold 0.5s  then stop') == Reaction(500_000_000)


@pytest.mark.parametrize(
    'text',
    [
        '',
        'hold',
        'stop now',
        'hold 100 ms',
        'hold then stop',
        'hold 100 then stop',
        'hold 0 ms then stop',
        'hold forever then stop',
        'hold 100 ms then go',
        'STOP',
    ],
)
def test_what_is_no_reaction(text):
    with pytest.raises(ValueError, match='expected "stop"|is not a duration'):
        parse_reaction(text)
