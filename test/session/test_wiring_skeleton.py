"""A wiring to be filled in: refused while a limit is empty, sound once it is not."""

from __future__ import annotations

import pathlib
import re

import pytest
from tiny_session import CONTRACT, make_bundle

from fournex_runtime.cli.show_wiring import show_wiring
from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.wiring import load_wiring, parse_wiring
from fournex_runtime.session.wiring_skeleton import wiring_skeleton


@pytest.mark.parametrize('robot', ['rover', 'arm', 'pendulum'])
def test_filled_in_it_is_a_wiring_of_its_policy(checkout, tmp_path, robot):
    folder = checkout / 'examples' / robot / 'bundle'
    bundle = load_bundle(folder)
    file = tmp_path / 'wiring.yaml'
    text = wiring_skeleton(bundle.contract, str(folder))
    file.write_text(text)
    with pytest.raises(WiringError, match='min: expected a number, found nothing|min is missing'):
        load_wiring(file)
    filled = re.sub(r'(min|max):\n', lambda m: f'{m[1]}: {"-" * (m[1] == "min")}9.0\n', text)
    file.write_text(filled.replace('rate:\n', 'rate: unlimited\n'))
    wiring = load_wiring(file)
    (session,) = wiring.sessions
    Engine(bundle, session, messages())


def test_what_reads_nothing_is_not_wired(checkout):
    bundle = load_bundle(checkout / 'examples' / 'rover' / 'bundle')
    assert 'last_action' not in wiring_skeleton(bundle.contract, 'rover-nav@1')
    assert 'policy: rover-nav@1\n' in wiring_skeleton(bundle.contract, 'rover-nav@1')


def parse(text, bundle):
    return parse_wiring(text, pathlib.Path('wiring.yaml'), {'tiny': bundle})


def test_how_fast_a_pose_may_turn_is_asked_for():
    pose = '{term: pose_target, layout: position+quaternion_xyzw}'
    ends = CONTRACT.split('state:')[0], CONTRACT.split('artifact:')[1]
    bundle = make_bundle(f'{ends[0]}outputs: {{action: [{pose}]}}\nartifact:{ends[1]}')
    text = wiring_skeleton(bundle.contract, 'bundle')
    text = text.replace('min:\n', 'min: -9\n').replace('max:\n', 'max: 9\n')
    with pytest.raises(WiringError, match='pose_target.orientation.rate: '):
        parse(text.replace('rate:\n', 'rate: 1.5\n', 1), bundle)
    wiring = parse(text.replace('rate:\n', 'rate: 1.5\n'), bundle)
    assert wiring.sessions[0].limits[0].turn == 1.5
    shown = show_wiring(wiring, {})
    assert re.search(r'pose_target +orientation +1.5 +rad', shown) and 'max' in shown
    assert not re.search(r'pose_target +qx|^ +qx +-1', shown, re.MULTILINE)
