"""Folders of LeRobot: what its processors do is the arithmetic of terms, its chunks are played."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from imported_session import ImportedSession
from ros_messages import cdr, joint_state
from safetensors.numpy import save
from wrong_values import errors_of_wrong_values

from fournex_runtime.errors import (
    ArtifactError,
    BundleError,
    FournexError,
    MissingDependencyError,
    OpenQuestions,
)
from fournex_runtime.policy.backend import load_backend

JOINTS = ['pan', 'lift']
STATE, IMAGE = 'observation.state', 'observation.images.top'
FEATURES = {
    STATE: {'type': 'STATE', 'shape': [2]},
    IMAGE: {'type': 'VISUAL', 'shape': [3, 4, 6]},
}
ACTION = {'action': {'type': 'ACTION', 'shape': [2]}}
NORM = {'VISUAL': 'MEAN_STD', 'STATE': 'MEAN_STD', 'ACTION': 'MEAN_STD'}
STATISTICS = {
    f'{STATE}.mean': [0.1, -0.2], f'{STATE}.std': [2.0, 0.5],
    f'{STATE}.min': [-1.0, -2.0], f'{STATE}.max': [1.0, -2.0],  # the second never moved
    f'{STATE}.q01': [-0.9, -2.0], f'{STATE}.q99': [0.9, 2.0],
    f'{STATE}.q10': [-0.5, -1.0], f'{STATE}.q90': [0.5, 1.5],
    'action.mean': [1.0, 2.0], 'action.std': [0.5, 2.0],
    'action.min': [-3.0, 0.0], 'action.max': [3.0, 1.0],
    'action.q01': [-2.0, 0.0], 'action.q99': [2.0, 1.0],
    'action.q10': [-1.0, 0.2], 'action.q90': [1.0, 0.8],
}  # fmt: skip
COLOURS = {f'{IMAGE}.mean': [0.4, 0.5, 0.6], f'{IMAGE}.std': [0.2, 0.25, 0.3]}
ANSWERS = {
    'period': '100 ms',
    'start_pose': 'none',
    f'inputs.{STATE}': {'term': 'joint_position', 'joints': JOINTS},
    'outputs.action': {'term': 'joint_position_target', 'joints': JOINTS},
}
WIRED = {
    'joint_position': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
    'top': {'topic': 'camera', 'type': 'sensor_msgs/msg/Image'},
}
INFO = {
    'fps': 25,
    'features': {STATE: {'dtype': 'float32', 'shape': [2], 'names': ['pan.pos', 'lift.pos']}},
}


def statistics_file(more=()):
    flat = {name: np.array(value, np.float32) for name, value in STATISTICS.items()}
    channels = {
        name: np.array(value, np.float32)[:, None, None] for name, value in COLOURS.items()
    }
    return save({**flat, **channels, **dict(more)})


def step(kind, norm, file):
    features = {**FEATURES, **ACTION}
    config = {'eps': 1e-8, 'features': features, 'norm_map': norm}
    return {'registry_name': kind, 'config': config, 'state_file': file}


def written(tmp_path, norm=NORM, before=(), drop='', **config):
    """Write a folder as ``save_pretrained`` of policy and processors does."""
    folder = tmp_path / 'pick' / 'pretrained_model'
    folder.mkdir(parents=True)
    names = [f'policy_{side}processor' for side in ('pre', 'post')]
    files = [
        f'{names[0]}_step_3_normalizer_processor.safetensors',
        f'{names[1]}_step_0_unnormalizer_processor.safetensors',
    ]
    device = {'device': 'cpu', 'float_dtype': None}
    steps = [
        {'registry_name': 'rename_observations_processor', 'config': {'rename_map': {}}},
        {'registry_name': 'to_batch_processor', 'config': {}},
        {'registry_name': 'device_processor', 'config': device},
        step('normalizer_processor', norm, files[0]),
        *before,
    ]
    undone = [
        step('unnormalizer_processor', norm, files[1]),
        {'registry_name': 'device_processor', 'config': device},
    ]
    trees = {
        'config.json': {
            'type': 'act',
            'n_obs_steps': 1,
            'input_features': FEATURES,
            'output_features': ACTION,
            'device': 'cuda',
            'chunk_size': 4,
            'n_action_steps': 2,
            'normalization_mapping': norm,
            'pretrained_backbone_weights': 'ResNet18_Weights.IMAGENET1K_V1',
            'temporal_ensemble_coeff': None,
            **config,
        },
        'train_config.json': {'policy': {'type': 'act'}, 'dataset': {'repo_id': 'me/pick'}},
        f'{names[0]}.json': {'name': names[0], 'steps': steps},
        f'{names[1]}.json': {'name': names[1], 'steps': undone},
    }
    for name, tree in trees.items():
        (folder / name).write_text(json.dumps(tree, indent=2))
    for name in files:
        (folder / name).write_bytes(statistics_file())
    (folder / 'model.safetensors').write_bytes(save({'model.weight': np.zeros(3, np.float32)}))
    if drop:
        (folder / drop).unlink()
    return folder


BOUNDS = {'MIN_MAX': ('min', 'max'), 'QUANTILES': ('q01', 'q99'), 'QUANTILE10': ('q10', 'q90')}


class Answering:
    """In the place of LeRobot: keeps what it is asked, and answers with prepared chunks."""

    def __init__(self, *chunks):
        self.asked, self._chunks = [], list(chunks)

    def run(self, inputs, state):
        self.asked.append(inputs)
        return {'action': np.array([self._chunks.pop(0)], np.float32)}, {}


def normalised(mode, values, name, eps=1e-8):
    """Return what ``_NormalizationMixin._apply_transform`` makes of values."""
    stat = {
        key.rpartition('.')[2]: np.array(value)
        for key, value in STATISTICS.items()
        if key.startswith(f'{name}.')
    }
    if mode == 'MEAN_STD':
        return (values - stat['mean']) / (stat['std'] + eps)
    low, high = {'MIN_MAX': 'min max', 'QUANTILES': 'q01 q99', 'QUANTILE10': 'q10 q90'}[
        mode
    ].split()
    span = np.where(stat[high] == stat[low], eps, stat[high] - stat[low])
    return 2.0 * (values - stat[low]) / span - 1.0


def undone(mode, values, eps=1e-8):
    """Return what the same does with ``inverse=True`` to actions."""
    stat = {key: np.array(value) for key, value in STATISTICS.items()}
    if mode == 'MEAN_STD':
        return values * stat['action.std'] + stat['action.mean']
    low, high = {'MIN_MAX': 'min max', 'QUANTILES': 'q01 q99', 'QUANTILE10': 'q10 q90'}[
        mode
    ].split()
    span = stat[f'action.{high}'] - stat[f'action.{low}']
    return (values + 1.0) / 2.0 * span + stat[f'action.{low}']


def messages_of(position, image):
    height, width, _ = image.shape
    return {
        'joint_states': joint_state(JOINTS, position),
        'camera': cdr(
            'sensor_msgs/msg/Image', height=height, width=width, encoding='rgb8', step=3 * width,
            data=image.reshape(-1).tolist(),
        ),
    }  # fmt: skip


@pytest.mark.parametrize('mode', ['MEAN_STD', 'MIN_MAX', 'QUANTILES', 'QUANTILE10'])
def test_the_policy_sees_and_commands_what_the_processors_make(import_to, tmp_path, mode):
    norm = {'VISUAL': 'MEAN_STD', 'STATE': mode, 'ACTION': mode}
    bundle = import_to(written(tmp_path, norm), ANSWERS)
    random = np.random.default_rng(0)
    chunks = random.normal(size=(2, 4, 2))
    backend = Answering(*chunks)
    session = ImportedSession(bundle.folder, WIRED, backend=backend)
    position, sent = [0.25, -2.0], []
    image = random.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    for _ in range(4):
        sent.append(session.commands(messages_of(position, image))['joint_position_target'])
    assert len(backend.asked) == 2  # two of each chunk of four are played
    seen = backend.asked[0]
    np.testing.assert_allclose(
        seen[STATE][0], normalised(mode, np.array(position), STATE), rtol=1e-5, atol=1e-6
    )
    colours = (image / 255.0 - COLOURS[f'{IMAGE}.mean']) / COLOURS[f'{IMAGE}.std']
    np.testing.assert_allclose(seen[IMAGE][0], colours.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    played = np.concatenate([chunk[:2] for chunk in chunks])
    np.testing.assert_allclose(sent, undone(mode, played), rtol=1e-5, atol=1e-6)


def test_identity_changes_nothing(import_to, tmp_path):
    norm = {'VISUAL': 'IDENTITY', 'STATE': 'IDENTITY'}  # what is not in the map is left alone, too
    contract = import_to(written(tmp_path, norm), ANSWERS).contract
    for term in (*contract.observation_terms, *contract.action_terms):
        assert {*term.scale} == {1.0} and {*term.offset} == {0.0}


def test_a_diffusion_policy_sees_several_frames_and_gives_what_it_executes(import_to, tmp_path):
    folder = written(tmp_path, type='diffusion', n_obs_steps=2, n_action_steps=3, horizon=8)
    contract = import_to(folder, ANSWERS).contract
    assert contract.input_layouts[STATE].array_shape == (1, 2, 2)
    assert contract.input_layouts[IMAGE].array_shape == (1, 2, 3, 4, 6)
    assert not contract.input_layouts[STATE].newest_first
    assert (contract.chunk.size, contract.chunk.execute) == (3, 3)


def test_the_data_set_says_the_rate_and_how_it_calls_the_values(import_to, tmp_path):
    folder = written(tmp_path)
    info = tmp_path / 'info.json'
    info.write_text(json.dumps(INFO))
    with pytest.raises(OpenQuestions, match='pan.pos, lift.pos'):
        import_to(folder, {}, info)
    answers = {key: value for key, value in ANSWERS.items() if key != 'period'}
    assert import_to(folder, answers, info).contract.period_ns == 40_000_000


def test_where_the_joints_begin_is_asked_once_they_are_known(import_to, tmp_path):
    folder = written(tmp_path)
    with pytest.raises(OpenQuestions) as asked:
        import_to(folder, {'period': '100 ms'})
    assert '--set start_pose' not in str(asked.value)
    assert 'Further questions' in str(asked.value)
    answers = {key: value for key, value in ANSWERS.items() if key != 'start_pose'}
    with pytest.raises(OpenQuestions, match='start_pose'):
        import_to(folder, answers)
    pose = {'pan': 0.5, 'lift': -0.25}
    assert import_to(folder, {**answers, 'start_pose': pose}).contract.start_pose == pose


def test_the_archive_is_what_lerobot_saved_and_the_same_each_time(import_to, tmp_path):
    folder = written(tmp_path)
    bundle = import_to(folder, ANSWERS)
    with zipfile.ZipFile(bundle.folder / 'policy.zip') as archive:
        assert archive.namelist() == ['config.json', 'model.safetensors']
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'type': 'smolvla'}, 'config.json: type: expected one of act, diffusion'),
        ({'temporal_ensemble_coeff': 0.01}, 'temporal_ensemble_coeff: expected null'),
        ({'drop': 'policy_preprocessor.json'}, 'policy_preprocessor.json is missing.*migrate'),
        ({'drop': 'model.safetensors'}, 'its weights is missing'),
        (
            {'drop': 'policy_preprocessor_step_3_normalizer_processor.safetensors'},
            r'statistics \(policy_preprocessor_step_3',
        ),
        (
            {'before': [{'registry_name': 'tokenizer_processor', 'config': {}}]},
            r'steps\[4\].registry_name: expected one of .*which a contract can say',
        ),
        (
            {'before': [{'class': 'mine.Smooth', 'config': {}}]},
            r'steps\[4\].class: expected one of .*which a contract can say, found .mine.Smooth.',
        ),
        ({'norm': {**NORM, 'STATE': 'LOG'}}, 'norm_map.STATE: expected one of IDENTITY, MEAN_STD'),
        (
            {'input_features': {**FEATURES, STATE: {'type': 'STATE', 'shape': [3]}}},
            'observation.state.mean: expected 3 values, found',
        ),
        ({'n_action_steps': 9}, 'execute'),
    ],
)
def test_what_does_not_fit_is_named(import_to, tmp_path, given, message):
    answers = {**ANSWERS, f'inputs.{STATE}': {'term': 'value', 'size': 3}}
    answers = answers if given.get('input_features') else ANSWERS
    with pytest.raises(FournexError, match=message):
        import_to(written(tmp_path, **given), answers)
    assert not (tmp_path / 'bundle').exists()


def test_statistics_that_are_missing_or_not_finite_are_named(import_to, tmp_path):
    folder = written(tmp_path)
    file = folder / 'policy_preprocessor_step_3_normalizer_processor.safetensors'
    whole = {name: np.array(value, np.float32) for name, value in STATISTICS.items()}
    for change, message in (
        ({f'{STATE}.std': None}, 'observation.state.std is missing'),
        ({f'{STATE}.mean': np.array([np.nan, 0.0], np.float32)}, 'state.mean: holds values that'),
    ):
        tensors = {key: one for key, one in {**whole, **change}.items() if one is not None}
        file.write_bytes(save(tensors))
        with pytest.raises(ArtifactError, match=message):
            import_to(folder, ANSWERS)


@pytest.mark.parametrize(
    'name', ['model.safetensors', 'policy_postprocessor_step_0_unnormalizer_processor.safetensors']
)
def test_a_truncated_file_is_refused(import_to, tmp_path, name):
    folder = written(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:-4])
    with pytest.raises(BundleError, match=f'{name}: not a readable safetensors file'):
        import_to(folder, ANSWERS)
    assert not (tmp_path / 'bundle').exists()


def test_without_lerobot_it_is_said_how_to_get_it(import_to, tmp_path, monkeypatch):
    bundle = import_to(written(tmp_path), ANSWERS)
    monkeypatch.delenv('FOURNEX_TORCH_PYTHON', raising=False)
    with pytest.raises(MissingDependencyError, match='pip install lerobot'):
        load_backend(bundle)


@pytest.mark.torch
@pytest.mark.parametrize('kind', ['act', 'diffusion'])
def test_a_real_policy_commands_what_lerobot_does(import_to, tmp_path, with_lerobot, kind):
    folder = tmp_path / kind
    with_lerobot('lerobot_policy.py', kind, 'pick', folder)
    session = ImportedSession(import_to(folder, ANSWERS).folder, WIRED)
    asked = np.load(folder / 'asked.npz')
    try:
        for state, image, action in zip(asked['states'], asked['images'], asked['actions']):
            data = messages_of(state.astype(float).tolist(), image)
            sent = session.commands(data)['joint_position_target']
            np.testing.assert_allclose(sent, action, atol=5e-6)
    finally:
        session.close()


def test_no_value_makes_it_crash(tmp_path):
    errors = errors_of_wrong_values(written(tmp_path), 'config.json', ANSWERS, 'lerobot')
    assert len(errors) > 10
    assert all('config.json' in one or 'processor_step' in one for one in errors)
