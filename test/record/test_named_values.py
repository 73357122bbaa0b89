"""Which value each number of a tick's arrays is, and how much of its unit one of them is."""

import numpy as np
import pytest

from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.record.deviations import Deviations
from fournex_runtime.record.named_values import ContractValues


def contract(inputs, outputs='[{term: joint_velocity_target, joints: [a, b], scale: [2, -4]}]',
             more=''):  # fmt: skip
    return parse_contract(f"""\
name: t
version: 1
period: 10 ms
{more}
inputs: {{obs: {inputs}}}
outputs: {{action: {outputs}}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")


def greatest(named, before, after):
    errors = named.greatest(np.asarray(before, np.float32), np.asarray(after, np.float32))
    return dict(zip(named.names, errors.tolist()))


POSITION = '{term: joint_position, joints: [a, b], scale: [2, 10]%s}'


def test_an_error_is_in_the_unit_of_the_term():
    obs = ContractValues(contract(f'[{POSITION % ""}]'), {}).observation['obs']
    assert obs.names == ('joint_position/a', 'joint_position/b')
    assert obs.units == ('rad', 'rad')
    found = greatest(obs, [[0.0, 0.0]], [[1.0, -1.0]])
    assert found == {'joint_position/a': 0.5, 'joint_position/b': pytest.approx(0.1)}


def test_a_value_has_the_greatest_error_of_its_history():
    """Three of each joint, in the order of the contract; then the same of whole frames."""
    terms = f'[{POSITION % ", history: 3, order: oldest_first"}]'
    obs = ContractValues(contract(terms), {}).observation['obs']
    assert greatest(obs, np.zeros(6), [1, 0, 4, 0, 2, 10]) == {
        'joint_position/a': 2.0,
        'joint_position/b': 1.0,
    }
    frames = (
        '{history: 2, history_layout: time, order: newest_first, '
        f'terms: [{POSITION % ""}, {{term: value, size: 1}}]}}'
    )
    obs = ContractValues(contract(frames), {}).observation['obs']
    assert obs.places.tolist() == [0, 1, 2, 0, 1, 2]
    image = '{term: image, height: 2, width: 3, channels: rgb, layout: chw, range: 0-255, '
    stack = (
        '{history: 2, history_layout: time, order: oldest_first, '
        f'terms: [{image}resize: area}}]}}'
    )
    seen = ContractValues(contract(stack), {}).observation['obs']
    assert seen.names == ('image',) and seen.places.size == 2 * 18
    assert greatest(seen, np.zeros(36), np.arange(36)) == {'image': 35.0}


def test_normalisation_is_undone_where_its_statistics_are_there():
    more = (
        f"normalisation: {{kind: mean_std, file: s.safetensors, sha256: '{'1' * 64}', "
        'clip: 10, epsilon: 1e-12}'
    )
    made = contract(f'[{POSITION % ""}]', more=more)
    statistics = {'obs': (np.zeros(2), np.array([4.0, 9.0]))}
    obs = ContractValues(made, statistics).observation['obs']
    assert greatest(obs, [0, 0], [1, 1]) == {
        'joint_position/a': pytest.approx(1.0),
        'joint_position/b': pytest.approx(0.3),
    }
    without = ContractValues(made, {}).observation['obs']
    assert without.units == ('', '') and without.factors.tolist() == [1.0, 1.0]
    assert not obs.same_as(without)


def test_what_the_network_gives_counts_in_what_it_commands():
    chunk = 'chunk: {size: 3, step: 10 ms, execute: 1, interpolation: none}'
    raw = ContractValues(contract(f'[{POSITION % ""}]', more=chunk), {}).raw_action['action']
    assert greatest(raw, np.zeros((1, 3, 2)), [[[0, 0], [0, 1], [-1, 0.5]]]) == {
        'joint_velocity_target/a': 2.0,
        'joint_velocity_target/b': 4.0,
    }
    choice = (
        '[{term: discrete, as: twist, axes: [linear_x, angular_z], actions: [[0.5, 0], [0, 1]]}]'
    )
    made = contract(f'[{POSITION % ""}]', f'{{dtype: int64, terms: {choice}}}')
    values = ContractValues(made, {})
    assert (values.raw_action['action'].names, values.raw_action['action'].units) == (
        ('discrete',),
        ('choice',),
    )
    assert values.safe_action['discrete'].units == ('m/s', 'rad/s')


def test_what_is_no_number_stays_the_greatest_error():
    deviations = Deviations(ContractValues(contract(f'[{POSITION % ""}]'), {}))
    for tick, value in enumerate([0.5, np.nan, 7.0]):
        before = {'obs': np.zeros((1, 2), np.float32)}
        deviations.add('observation', tick, before, {'obs': np.array([[value, 0]], np.float32)})
    (one,) = deviations.all
    assert (one.ticks, one.first, one.at) == (3, 0, 1) and np.isnan(one.greatest)


def test_arrays_of_another_meaning_have_no_error():
    ours = ContractValues(contract(f'[{POSITION % ""}]'), {})
    theirs = ContractValues(contract('[{term: joint_position, joints: [b, a]}]'), {})
    deviations = Deviations(ours, theirs)
    assert not deviations.add('observation', 0, {'obs': np.zeros(2)}, {'obs': np.ones(2)})
    assert deviations.all == []


@pytest.mark.parametrize('other', [{}, {'obs': np.ones(3)}, {'more': np.ones(2)}])
def test_arrays_of_another_shape_or_name_have_no_error(other):
    deviations = Deviations(ContractValues(contract(f'[{POSITION % ""}]'), {}))
    assert not deviations.add('observation', 0, {'obs': np.zeros(2)}, other)
    assert deviations.all == []
    assert deviations.add('observation', 0, {'obs': np.zeros(2)}, {'obs': np.ones(2)})
    assert len(deviations.all) == 2
