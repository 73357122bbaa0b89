"""``start:`` of a wiring: how far each joint may be from the start pose of the contract."""

from __future__ import annotations

import pathlib

import pytest
from tiny_session import CONTRACT, WIRING, edited, make_bundle

from fournex_runtime.errors import WiringError
from fournex_runtime.session.wiring import parse_wiring

START = edited(CONTRACT, ('inputs:\n', 'start_pose: {a: 1.0, b: -1.0}\ninputs:\n'))


def tolerance(start: str, contract: str = START) -> dict[str, float]:
    text = edited(WIRING, ('    reactions:', f'    start: {start}\n    reactions:'))
    bundle = make_bundle(contract)
    wiring = parse_wiring(text, pathlib.Path('wiring.yaml'), {'tiny': bundle})
    return dict(wiring.sessions[0].start_tolerance)


def test_one_number_for_all_or_one_a_joint():
    assert tolerance('{tolerance: 0.2}') == {'a': 0.2, 'b': 0.2}
    assert tolerance('{tolerance: {b: 0.1, a: 0.3}}') == {'a': 0.3, 'b': 0.1}
    assert tolerance('{tolerance: {all: 0.2, b: 0.1}}') == {'a': 0.2, 'b': 0.1}


@pytest.mark.parametrize(
    ('start', 'words'),
    [
        ('{tolerance: {b: 0.1}}', r'start\.tolerance: a is missing'),
        ('{tolerance: {all: 0.1, c: 0.2}}', r'start\.tolerance\.c: unknown key'),
        ('{tolerance: 0}', 'a: 0.0 is not above 0'),
        ('{tolerence: 0.2}', 'the nearest key given is tolerence'),
        ('{tolerance: 0.2, joint: a}', 'unknown key'),
    ],
)
def test_what_is_no_tolerance_is_refused(start, words):
    with pytest.raises(WiringError, match=words):
        tolerance(start)


def test_a_tolerance_without_a_start_pose_is_refused():
    with pytest.raises(WiringError, match=r'the contract tiny@1 has no start_pose'):
        tolerance('{tolerance: 0.2}', CONTRACT)
