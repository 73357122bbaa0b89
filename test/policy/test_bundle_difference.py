"""What differs between two bundles, fact by fact."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_session import CONTRACT, edited

from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.policy.bundle_difference import Difference, differences, network_difference
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.contract_facts import contract_facts

ZEROS = f"'{'0' * 64}'"
RICH = edited(
    CONTRACT,
    ('inputs:\n', 'default_pose: {a: 0.5, b: 0}\ninputs:\n'),
    (
        'state:\n',
        f'normalisation: {{kind: mean_std, file: stats.safetensors, clip: 10, epsilon: 1e-8, '
        f'sha256: {ZEROS}}}\nstate:\n',
    ),
    ('artifact:\n', f'card: {{file: card.yaml, sha256: {ZEROS}}}\nartifact:\n'),
)
MEAN, VAR = np.arange(6.0), np.full(6, 4.0)


@pytest.fixture
def bundle(tmp_path):
    """Return a function that makes a bundle."""
    count = 0

    def make(*changes, weights=b'weights', mean=MEAN, var=VAR, card='task: to stand'):
        nonlocal count
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / 'policy.yaml').write_text(edited(RICH, *changes))
        (folder / 'policy.onnx').write_bytes(weights)
        (folder / 'card.yaml').write_text(card)
        save_file({'mean': mean, 'var': var}, folder / 'stats.safetensors')
        return seal_bundle(folder)

    return make


def test_only_the_version(bundle):
    assert differences(bundle(), bundle(('version: 1', 'version: 2'))) == []
    assert network_difference(bundle(), bundle()) == ''


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (('period: 20 ms', 'period: 40 ms'), ('period', '20 ms', '40 ms')),
        (('scale: 2.0', 'scale: 0.5'), ('outputs.action.joint_velocity_target.scale', '2', '0.5')),
        (
            ('scale: 2.0', 'scale: [2.0, 0.5]'),
            ('outputs.action.joint_velocity_target.scale[b]', '2', '0.5'),
        ),
        (
            ('order: oldest_first', 'order: newest_first'),
            ('inputs.obs.joint_position.history', '2, oldest first', '2, newest first'),
        ),
        (('{a: 0.5, b: 0}', '{a: 0.5, b: 0.1}'), ('default_pose[b]', '0', '0.1')),
        (('of: clipped', 'of: raw'), ('inputs.obs.last_action.of', 'clipped', 'raw')),
        (
            ('clip: 10, epsilon', 'clip: 5, epsilon'),
            ('normalisation.obs', 'mean_std, clip 10, epsilon 1e-08', 'mean_std, clip 5, epsilon 1'
             'e-08'),
        ),
        (('shape: [1, 2]', 'shape: [1, 3]'), ('state.h', '[1, 2], h_in → h_out, begins with zero'
         's, reset at each episode', '[1, 3], h_in → h_out, begins with zeros, reset at each epi'
         'sode')),
    ],
)  # fmt: skip
def test_one_fact(bundle, change, expected):
    assert differences(bundle(), bundle(change)) == [Difference(*expected)]


def test_joints_in_another_order_keep_their_own_values(bundle):
    found = differences(
        bundle(('history: 2', 'scale: [1, 2]\n      history: 2')),
        bundle(
            ('history: 2', 'scale: [2, 1]\n      history: 2'), ('joints: [a, b]', 'joints: [b, a]')
        ),
    )
    assert found == [
        Difference('inputs.obs.joint_position.joints', 'a, b', 'b, a'),
        Difference('inputs.obs.last_action.values', 'a, b', 'b, a'),
        Difference('outputs.action.joint_velocity_target.joints', 'a, b', 'b, a'),
    ]


def test_a_term_that_one_does_not_have_is_one_difference(bundle):
    more = '    - {term: projected_gravity}\n    - {term: last_action, of: clipped}\n'
    change = ('    - {term: last_action, of: clipped}\n', more)
    found = differences(bundle(), bundle(change, mean=np.arange(9.0), var=np.full(9, 4.0)))
    assert found == [
        Difference('inputs.obs', 'float32 [1, 6]', 'float32 [1, 9]'),
        Difference(
            'inputs.obs order of terms',
            'joint_position, last_action',
            'joint_position, projected_gravity, last_action',
        ),
        Difference('inputs.obs.projected_gravity', '—', 'projected_gravity'),
    ]


def test_of_statistics_the_greatest_change_is_told(bundle):
    mean, var = MEAN.copy(), VAR.copy()
    mean[1] += 0.25
    mean[2] -= 3.0
    var[5] = 16.0
    assert differences(bundle(), bundle(mean=mean, var=var)) == [
        Difference(
            'normalisation.obs.mean[joint_position a 1, most of 2 that changed]', '2', '-1'
        ),
        Difference('normalisation.obs.std[last_action b]', '2', '4'),
    ]


def test_cards(bundle):
    other = (
        'task: to stand\ntraining: {seed: 0}\nlimits: [indoors]\n'
        'evaluation: [{how: by eye, where: robot, result: it stood}]'
    )
    assert differences(bundle(), bundle(card=other)) == [
        Difference('card.training.seed', '—', '0'),
        Difference('card.limits 1', '—', 'indoors'),
        Difference('card.evaluation: by eye', '—', 'it stood'),
    ]


def test_every_fact_has_a_path_of_its_own(checkout):
    for robot in ('rover', 'arm', 'pendulum'):
        text = (checkout / f'examples/{robot}/bundle/policy.yaml').read_text()
        found = contract_facts(parse_contract(text))
        assert found['artifact.backend'] == 'onnx'
        assert all(found.values())
    assert found['inputs.obs.joint_position.scale[pole]'] == '10'
    assert found['outputs.action.joint_effort_target.clip[cart]'] == '-1 to 1'


# --- networks ------------------------------------------------------------------------------------


@pytest.fixture
def network(checkout, tmp_path):
    """Return a function that makes a bundle with a real network, altered by ``change(model)``."""
    import onnx

    source = checkout / 'examples/pendulum/bundle'

    def make(name, change=lambda model: None, *edits):
        model = onnx.load_from_string((source / 'policy.onnx').read_bytes())
        change(model)
        folder = tmp_path / name
        folder.mkdir()
        (folder / 'policy.onnx').write_bytes(model.SerializeToString())
        (folder / 'card.yaml').write_bytes((source / 'card.yaml').read_bytes())
        (folder / 'policy.yaml').write_text(
            edited((source / 'policy.yaml').read_text(), ('version: 1', 'version: 2'), *edits)
        )
        return seal_bundle(folder)

    return make


def test_the_same_network_in_another_file(network):
    def remark(model):
        model.doc_string = 'exported again'

    said = network_difference(network('a'), network('b', remark))
    assert 'other files: policy.onnx ' in said
    assert said.endswith('that answer the same to the bit on 100 made-up observations')


def test_another_network(network):
    import onnx

    def louder(model):
        weights = model.graph.initializer[-1]
        array = onnx.numpy_helper.to_array(weights) + 0.5
        weights.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float32), weights.name))

    said = network_difference(network('a'), network('b', louder))
    assert 'on 100 made-up observations their outputs differ by up to ' in said
    assert float(said.split()[-1]) > 0.01


def test_networks_that_cannot_be_compared(network, bundle):
    assert network_difference(network('a'), bundle()).endswith('with other arrays')
    assert 'not run: ' in network_difference(bundle(), bundle(weights=b'other'))
    torch = ('backend: onnx', 'backend: torchscript')
    assert network_difference(bundle(), bundle(torch)).endswith('what torch runs is a program')
