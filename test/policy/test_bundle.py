"""Policy bundles: what is checked is what runs."""

import hashlib
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_session import CONTRACT, edited

from fournex_runtime.errors import ArtifactError, BundleError, ContractError
from fournex_runtime.policy.backend import load_backend, warm_up
from fournex_runtime.policy.bundle import load_bundle, seal_bundle

STATISTICS = {'mean': np.arange(6.0), 'var': np.ones(6)}
NORMALISED = edited(
    CONTRACT,
    (
        'state:\n',
        'normalisation: {kind: mean_std, file: stats.safetensors, clip: 10, epsilon: 1e-8,\n'
        f"                sha256: '{'0' * 64}'}}\nstate:\n",
    ),
)


def make(folder, contract=CONTRACT, statistics=None):
    (folder / 'policy.yaml').write_text(contract)
    (folder / 'policy.onnx').write_bytes(b'weights')
    if statistics is not None:
        save_file(statistics, folder / 'stats.safetensors')
    return folder


def test_sealing_writes_the_hashes_and_nothing_else(tmp_path):
    bundle = seal_bundle(make(tmp_path, NORMALISED, STATISTICS))
    artifact = hashlib.sha256(b'weights').hexdigest()
    statistics = hashlib.sha256((tmp_path / 'stats.safetensors').read_bytes()).hexdigest()
    assert bundle.contract.artifact.sha256 == artifact
    assert bundle.contract.normalisation[0].sha256 == statistics != artifact
    text = (tmp_path / 'policy.yaml').read_text()
    zeros = f"'{'0' * 64}'"
    assert text.replace(artifact, zeros).replace(statistics, zeros) == NORMALISED
    assert seal_bundle(tmp_path).sha256 == bundle.sha256
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        'policy.onnx',
        'policy.yaml',
        'stats.safetensors',
    ]


def test_the_hash_of_a_bundle_is_that_of_its_checksum_file(tmp_path):
    bundle = seal_bundle(make(tmp_path))
    names = ('policy.onnx', 'policy.yaml')
    lines = [f'{hashlib.sha256((tmp_path / n).read_bytes()).hexdigest()}  {n}\n' for n in names]
    assert bundle.sha256 == hashlib.sha256(''.join(lines).encode()).hexdigest()
    (tmp_path / 'policy.yaml').write_text(bundle.contract.text + '# a remark\n')
    assert load_bundle(tmp_path).sha256 != bundle.sha256


def test_an_altered_file_is_refused_with_both_hashes(tmp_path):
    seal_bundle(make(tmp_path, NORMALISED, STATISTICS))
    (tmp_path / 'policy.onnx').write_bytes(b'other weights')
    with pytest.raises(BundleError) as caught:
        load_bundle(tmp_path)
    before, after = (hashlib.sha256(data).hexdigest() for data in (b'weights', b'other weights'))
    for words in ('policy.onnx: altered', f'artifact.sha256 {before[:12]}', f'has {after[:12]}'):
        assert words in str(caught.value)
    (tmp_path / 'policy.onnx').write_bytes(b'weights')
    data = bytearray((tmp_path / 'stats.safetensors').read_bytes())
    data[-1] ^= 1
    (tmp_path / 'stats.safetensors').write_bytes(data)
    with pytest.raises(BundleError, match=r'stats\.safetensors: altered'):
        load_bundle(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(BundleError, match='nowhere: no such policy bundle'):
        load_bundle(tmp_path / 'nowhere')
    with pytest.raises(BundleError, match=r'not a policy bundle: it has no policy\.yaml'):
        load_bundle(tmp_path)
    make(tmp_path)
    (tmp_path / 'policy.onnx').unlink()
    with pytest.raises(BundleError, match=r'policy\.onnx: cannot be read: No such file'):
        load_bundle(tmp_path)
    with pytest.raises(BundleError, match=r'policy\.onnx: no such file; policy\.yaml names it'):
        seal_bundle(tmp_path)


def test_a_file_name_cannot_leave_the_bundle(tmp_path):
    (tmp_path / 'secret').write_bytes(b'secret')
    inner = tmp_path / 'bundle'
    inner.mkdir()
    make(inner, edited(CONTRACT, ('file: policy.onnx', 'file: ../secret')))
    for read in (load_bundle, seal_bundle):
        with pytest.raises(ContractError, match='is not the name of a file in the bundle'):
            read(inner)


@pytest.mark.parametrize(
    ('statistics', 'words'),
    [
        ({'mean': np.zeros(6)}, "has no tensor 'var'; found ['mean']"),
        (
            {'mean': np.zeros(5), 'var': np.ones(6)},
            'mean has shape (5,), the input obs has 6 values',
        ),
        ({'mean': np.zeros((1, 6)), 'var': np.ones(6)}, 'mean has shape (1, 6)'),
        ({'mean': np.full(6, np.nan), 'var': np.ones(6)}, 'mean holds values that are not finite'),
        ({'mean': np.zeros(6), 'var': np.full(6, np.inf)}, 'var holds values that are not finite'),
        ({'mean': np.zeros(6), 'var': np.full(6, -1.0)}, 'var holds negative values'),
    ],
)
def test_statistics_that_do_not_fit(tmp_path, statistics, words):
    with pytest.raises(BundleError) as caught:
        seal_bundle(make(tmp_path, NORMALISED, statistics))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'not safetensors at all',
        b'\x3a\0\0\0\0\0\0\0{"mean":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}\0\0\0\0\0',
        b'\x40\0\0\0\0\0\0\0{"mean":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
        + b' ' * 5 + b'\0\0',
    ],
)  # fmt: skip
def test_statistics_that_cannot_be_read(tmp_path, data):
    make(tmp_path, NORMALISED)
    (tmp_path / 'stats.safetensors').write_bytes(data)
    with pytest.raises(BundleError, match=r'stats\.safetensors: '):
        seal_bundle(tmp_path)


def test_statistics_are_float64_whatever_the_file_holds(tmp_path):
    stored = {name: array.astype(np.float32) for name, array in STATISTICS.items()}
    mean, var = seal_bundle(make(tmp_path, NORMALISED, stored)).statistics['obs']
    assert mean.dtype == var.dtype == np.float64
    assert mean.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_each_normalised_input_has_statistics_of_its_own(tmp_path):
    one = 'kind: mean_std, clip: 10, epsilon: 1e-8, sha256: ' + f"'{'0' * 64}'"
    contract = edited(
        CONTRACT,
        (
            'inputs:\n',
            'inputs:\n  goal: [{term: value, size: 3}]\n  plain: [{term: base_height}]\n',
        ),
        (
            'state:\n',
            f'normalisation:\n  - {{input: goal, file: goal.safetensors, {one}}}\n'
            f'  - {{input: obs, file: stats.safetensors, {one}}}\nstate:\n',
        ),
    )
    make(tmp_path, contract, STATISTICS)
    goal = {'mean': np.full(3, 0.5), 'var': np.full(3, 2.0)}
    save_file(goal, tmp_path / 'goal.safetensors')
    bundle = seal_bundle(tmp_path)
    assert set(bundle.statistics) == {'goal', 'obs'}
    assert bundle.statistics['goal'][1].tolist() == [2.0, 2.0, 2.0]
    assert bundle.statistics['obs'][0].tolist() == STATISTICS['mean'].tolist()
    assert set(bundle.contract.files) == {'policy.onnx', 'goal.safetensors', 'stats.safetensors'}
    save_file(STATISTICS, tmp_path / 'goal.safetensors')
    with pytest.raises(BundleError, match=r'mean has shape \(6,\), the input goal has 3 values'):
        seal_bundle(tmp_path)


# --- the artifact against the contract -----------------------------------------------------------


@pytest.fixture
def pendulum(checkout, tmp_path):
    """Return a copy of the pendulum's bundle, and a function that edits and reseals it."""
    source = checkout / 'examples/pendulum/bundle'
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)

    def edit(*changes):
        file = tmp_path / 'policy.yaml'
        file.write_text(edited(file.read_text(), *changes))
        return load_bundle(tmp_path)

    return edit


def test_the_pendulum_runs_and_hands_its_state_back(pendulum):
    bundle = pendulum()
    backend = load_backend(bundle)
    warm_up(backend, bundle.contract)
    state = {name: np.zeros((1, 1, 32), np.float32) for name in ('h', 'c')}
    obs = np.array([[0.1, 0.2]], np.float32)
    outputs, following = backend.run({'obs': obs}, state)
    again, _ = backend.run({'obs': obs}, state)
    assert outputs['action'].shape == (1, 1)
    assert outputs['action'].tobytes() == again['action'].tobytes()
    assert sorted(following) == ['c', 'h'] and following['h'].any()
    assert not state['h'].any()
    assert backend.description.startswith('onnxruntime ')


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (
            [('joints: [cart, pole]', 'joints: [cart]'), ('scale: [2.0, 10.0]', 'scale: 2.0')],
            'input obs is float32 [1, 2] in the artifact, the terms of the contract make it '
            'float32 [1, 1]',
        ),
        ([('  obs:\n', '  observation:\n')], "has no input 'observation', which the contract"),
        ([('  obs:\n', '  obss:\n')], 'Did you mean obs?'),
        ([('  action:\n', '  actions:\n')], "has no output 'actions', which the contract names"),
        ([('output: h_out', 'output: h_next')], "has no output 'h_next'"),
        ([('h: {shape: [1, 1, 32]', 'h: {shape: [1, 1, 16]')], 'input h_in is float32 [1, 1, 32]'),
        (
            [
                (
                    '  c: {shape: [1, 1, 32], input: c_in, output: c_out, initial: zeros, '
                    'reset: episode}\n',
                    '',
                )
            ],
            'takes c_in, which the contract does not give',
        ),
    ],
)
def test_an_artifact_that_does_not_fit_the_contract(pendulum, changes, words):
    with pytest.raises(ArtifactError) as caught:
        load_backend(pendulum(*changes))
    assert 'policy.onnx: ' in str(caught.value)
    assert words in str(caught.value)


def test_an_artifact_that_is_no_model(tmp_path):
    with pytest.raises(ArtifactError, match=r'policy\.onnx: not a loadable ONNX model'):
        load_backend(seal_bundle(make(tmp_path)))
