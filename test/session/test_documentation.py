"""The reference pages are true: their examples are read, and no kind or fault is missing."""

import pathlib
import re

import pytest

from fournex_runtime.configuration import parse
from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.units import UNITS
from fournex_runtime.policy.bundle import Bundle
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.term_kinds import ACTION_KINDS, OBSERVATION_KINDS
from fournex_runtime.safety.reactions import Fault
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.modes import FOLLOWING
from fournex_runtime.session.wiring import parse_wiring
from fournex_runtime.session.wiring_record import read_record


@pytest.fixture
def page(checkout):
    return lambda name: (checkout / 'docs' / f'{name}.md').read_text()


def first_example(text):
    return re.findall(r'```yaml\n(.*?)```', text, re.DOTALL)[0]


def test_the_whole_examples_fit_each_other(page):
    text = first_example(page('contract')).replace('5f2c…', f"'{'0' * 64}'")
    contract = parse_contract(text)
    assert contract.input_size('obs') == 9 and '[1, 9]' in page('contract')
    assert contract.action_size == 2 and '[1, 2]' in page('contract')
    bundle = Bundle(pathlib.Path('bundle'), contract, '', b'')
    wiring = parse_wiring(
        first_example(page('wiring')), pathlib.Path('wiring.yaml'), {'reach': bundle}
    )
    assert Engine(bundle, wiring.sessions[0], messages())


def test_every_option_of_every_kind_is_there(page):
    contract = page('contract')
    for kind in (*OBSERVATION_KINDS.values(), *ACTION_KINDS.values()):
        for option in kind.options:
            assert f'`{option.key}`' in contract or f'`{option.key}:' in contract, option.key


def test_the_recordings_of_the_page_are_read(page):
    found = [
        read_record(parse(text, 'recording.md', WiringError).section('record'))
        for text in re.findall(r'```yaml\n(.*?)```', page('recording'), re.DOTALL)
    ]
    assert [one.ring for one in found] == [False, True]
    assert (found[0].keep_bytes, found[1].memory_bytes) == (20 * 10**9, 512 * 10**6)


def test_every_kind_and_fault_is_there(page):
    contract, wiring = page('contract'), page('wiring')
    for kind in (*OBSERVATION_KINDS, *ACTION_KINDS):
        assert f'`{kind}`' in contract
    for fault in Fault:
        assert f'`{fault.value}`' in wiring
    for kind in OBSERVATION_KINDS.values():
        if kind.ports:
            assert f'`{kind.name}`' in wiring


def test_every_unit_is_there(page):
    rows = re.findall(r'^\| ([a-z ]+) \| (`.*`) \|$', page('wiring'), re.MULTILINE)
    found = {unit: quantity for quantity, units in rows for unit in re.findall('`(.*?)`', units)}
    for unit, (quantity, _) in UNITS.items():
        assert found[unit] == quantity.split(' ', 1)[1]


def test_the_diagram_of_the_modes_has_every_way_and_no_other(page):
    ways = re.findall(r'^  (\w+) --> (\w+): \S', page('safety'), re.MULTILINE)
    assert len(ways) == len(set(ways))
    assert set(ways) == {
        (before.name.lower(), after.name.lower())
        for before, following in FOLLOWING.items()
        for after in following
    }
