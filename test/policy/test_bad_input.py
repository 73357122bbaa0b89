"""
What people get wrong: each refused in words that name the thing, what was expected and what found.

A session is brought up as the runtime does it, from the wiring file to the warm-up.
"""

from __future__ import annotations

import pathlib
import random
import shutil

import numpy as np
import pytest
from backend_cases import onnx_model
from onnx import TensorProto, helper
from ros_messages import joint_state
from safetensors.numpy import save
from tiny_session import CONTRACT, PERIOD_NS, WIRING, edited

from fournex_runtime.errors import FournexError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend, warm_up
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Received, TickInputs
from fournex_runtime.session.wiring import load_wiring

SAVED = pathlib.Path(__file__).parent / 'sb3' / 'saved' / 'ppo-2.0.0.zip'
ZEROS = '0' * 64
STATS = (
    f'normalisation: {{kind: mean_std, file: stats, sha256: {ZEROS!r}, clip: 10, epsilon: 1e-8}}'
)
WHOLE = edited(
    CONTRACT,
    ('state:\n', STATS + '\nstate:\n'),
    ('initial: zeros', f'initial: {{file: start, sha256: {ZEROS!r}}}'),
).rstrip()
SAVED_CONTRACT = """
name: saved
version: 1
period: 20 ms
inputs: {obs: [{term: joint_position, joints: [a, b]}, {term: value, size: 2}]}
outputs: {actions: [{term: joint_velocity_target, joints: [a, b]}]}
artifact: {file: policy.zip, sha256: SHA, backend: stable_baselines3}
""".replace('SHA', repr(ZEROS))
STATE = 'h: {shape: [1, 2], input: h_in'


def bring_up(folder: pathlib.Path) -> Engine:
    """Make a session ready to be activated, as the runtime's node does."""
    wiring = load_wiring(folder / 'wiring.yaml')
    (session,) = wiring.sessions
    bundle = wiring.bundles[session.name]
    engine = Engine(bundle, session, messages())
    backend = load_backend(bundle)
    try:
        warm_up(backend, bundle.contract)
    finally:
        backend.close()
    return engine


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """Return a folder with a sound wiring and bundle."""
    (tmp_path / 'wiring.yaml').write_text(WIRING)
    bundle = tmp_path / 'bundle'
    bundle.mkdir()
    (bundle / 'policy.yaml').write_text(WHOLE)
    (bundle / 'policy.onnx').write_bytes(onnx_model('recurrent'))
    (bundle / 'stats').write_bytes(save({'mean': np.zeros(6), 'var': np.ones(6)}))
    (bundle / 'start').write_bytes(save({'h': np.ones((1, 2), np.float32)}))
    seal_bundle(bundle)
    bring_up(tmp_path)
    return tmp_path


def refused(folder: pathlib.Path, *words: str) -> str:
    """Return in which words a session is refused."""
    with pytest.raises(FournexError) as caught:
        bring_up(folder)
    text = str(caught.value)
    for one in words:
        assert one in text, text
    return text


def write(folder: pathlib.Path, name: str, content: bytes) -> None:
    """Put a file in the place of another and bring the hashes up to date, as far as that goes."""
    (folder / name).write_bytes(content)
    try:
        seal_bundle(folder / 'bundle')
    except FournexError:  # what is wrong with it is seen again when it is brought up
        pass


# --- a fact that is missing or another one -------------------------------------------------------


def identity(dtype: int, features: int | str) -> bytes:
    """Return a model of another dtype, or with an axis left open."""
    sizes = {'obs': features, 'h_in': 2, 'h_out': 2, 'action': 2}
    arrays = {k: helper.make_tensor_value_info(k, dtype, [1, n]) for k, n in sizes.items()}
    nodes = [
        helper.make_node('Identity', ['h_in'], ['h_out']),
        helper.make_node('ReduceMean', ['obs'], ['mean'], axes=[1], keepdims=1),
        helper.make_node('Add', ['mean', 'h_in'], ['action']),
    ]
    graph = helper.make_graph(
        nodes, 'policy', [arrays['obs'], arrays['h_in']], [arrays['action'], arrays['h_out']]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return bytes(model.SerializeToString())


FACTS: dict[str, tuple[str, tuple[str, str] | bytes | None, tuple[str, ...]]] = {
    'statistics not there': ('stats', None, ('/stats: cannot be read: No such file',)),
    'statistics without one': (
        'stats',
        save({'mean': np.zeros(6)}),
        ("/stats: has no tensor 'var'; found ['mean']",),
    ),
    'statistics of another input': (
        'stats',
        save({'mean': np.zeros(5), 'var': np.ones(5)}),
        ('/stats: mean has shape (5,), the input obs has 6 values',),
    ),
    'first state of another dtype': (
        'start',
        save({'h': np.ones((1, 2))}),
        ('/start: h is float64 [1, 2], the contract says float32 [1, 2]',),
    ),
    'artifact of another dtype': (
        'policy.onnx',
        identity(TensorProto.DOUBLE, 6),
        ('input obs is float64 [1, 6] in the artifact', 'contract make it float32 [1, 6]'),
    ),
    'artifact with an open axis': (
        'policy.onnx',
        identity(TensorProto.FLOAT, 'features'),
        ('input obs leaves axis 1 open (features), the contract has 6 values there',),
    ),
    'artifact of another size': (
        'policy.onnx',
        identity(TensorProto.FLOAT, 5),
        ('input obs is float32 [1, 5] in the artifact', 'contract make it float32 [1, 6]'),
    ),
    'a dtype that there is not': (
        'policy.yaml',
        ('  obs:\n', '  obs:\n    dtype: float16\n    terms:\n'),
        ("inputs.obs.dtype: expected one of float32, float64, uint8, int64, found 'float16'",),
    ),
    'history without an order': (
        'policy.yaml',
        ('      order: oldest_first\n', ''),
        ('inputs.obs[0]: order is missing: expected one of oldest_first, newest_first',),
    ),
    'history in an order that there is not': (
        'policy.yaml',
        ('oldest_first', 'oldest_last'),
        ("inputs.obs[0].order: expected one of oldest_first, newest_first, found 'oldest_last'",),
    ),
    'longer history than the artifact takes': (
        'policy.yaml',
        ('history: 2', 'history: 3'),
        ('stats: mean has shape (6,), the input obs has 8 values',),
    ),
    'state of another shape': (
        'policy.yaml',
        (STATE, STATE.replace('2', '3')),
        ('/start: h is float32 [1, 2], the contract says float32 [1, 3]',),
    ),
    'a joint that the robot lacks': (
        'wiring.yaml',
        ('joints: [b, a]', 'joints: [b, c]'),
        ('outputs.joint_velocity_target', 'a, b', 'c'),
    ),
    'a joint too few': (
        'wiring.yaml',
        ('joints: [b, a]', 'joints: [b]'),
        ('outputs.joint_velocity_target', 'a, b'),
    ),
    'joints of two names': (
        'policy.yaml',
        ('joints: [a, b]', 'joints: [a, a]'),
        ('inputs.obs[0].joints: expected at least one joint, each only once',),
    ),
    'a limit for a joint that there is not': (
        'wiring.yaml',
        ('        all: {', '        d: {min: 0}\n        all: {'),
        ('limits.joint_velocity_target', 'd'),
    ),
}


@pytest.mark.parametrize('fact', FACTS)
def test_a_fact_that_is_not_so(folder, fact):
    name, change, words = FACTS[fact]
    path = folder / name if name == 'wiring.yaml' else folder / 'bundle' / name
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        write(folder, f'bundle/{name}', change)
    else:
        path.write_text(edited(path.read_text(), change))
    text = refused(folder, *words)
    assert f'{name}:' in text or name == 'policy.yaml' and '/st' in text


@pytest.mark.parametrize(
    ('names', 'words'),
    [
        (['b', 'a'], ''),
        (['c', 'a'], "joint_position: the message has no joint 'b'; it has c, a."),
        (['a'], "joint_position: the message has no joint 'b'; it has a."),
    ],
)
def test_joints_are_found_by_name_and_one_that_is_missing_is_named(folder, names, words):
    engine = bring_up(folder)
    data = joint_state(names, [float(ord(name)) for name in names], PERIOD_NS)
    taken = ((Received(1, PERIOD_NS, data),), ())
    inputs = TickInputs(taken, PERIOD_NS, PERIOD_NS, PERIOD_NS)
    request = engine.observe(inputs, engine.initial_state())
    if words:
        assert request.observation is None
        assert words in request.fault[1]
    else:
        a, b = ord('a') / np.sqrt(1 + 1e-8), ord('b') / np.sqrt(1 + 1e-8)
        clipped = np.clip([a, b, a, b], -10, 10)  # the statistics' clip
        assert request.observation.inputs['obs'][0, :4].tolist() == clipped.tolist()


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ('{term: value, size: 1000000000000}', 'size: expected a whole number of at most 1000000'),
        ('{term: value, one_hot: 100000000000000000000}', 'one_hot: expected a whole number of'),
        (
            '{term: joint_position, name: more, joints: same, history: 1000000000, '
            'order: oldest_first}',
            'history: expected a whole number of at most 10000, found 1000000000',
        ),
        ('{term: value, size: 1000000, history: 10000, order: oldest_first}', 'at most 67108864'),
        (
            '{term: height_scan, frame: b, size: [1e9, 1e9], resolution: 1e-3, fill: 0, '
            'grid_order: x_fastest, reduce: max}',
            'size: expected at most 1000000 points along',
        ),
        (
            '{term: height_scan, frame: b, size: [1e300, 1], resolution: 1e-300, fill: 0, '
            'grid_order: x_fastest, reduce: max}',
            'size: expected at most 1000000 points along',
        ),
    ],
)
@pytest.mark.timeout(20)
def test_a_contract_that_asks_for_all_memory(folder, change, words):
    path = folder / 'bundle' / 'policy.yaml'
    last = '    - {term: last_action, of: clipped}\n'
    path.write_text(edited(path.read_text(), (last, f'{last}    - {change}\n')))
    refused(folder, 'policy.yaml:', words)
    path.write_text(
        edited(path.read_text(), (change, '{term: value, size: 1}'), ('[1, 2]', '[1, 1e12]'))
    )
    refused(folder, 'state.h.shape: expected at most 67108864 elements')


# --- files that are damaged ----------------------------------------------------------------------


@pytest.fixture
def saved_folder(tmp_path) -> pathlib.Path:
    """Return a folder with a sound wiring and a bundle of Stable-Baselines3's."""
    value = '      value: {topic: value, type: std_msgs/msg/Float64MultiArray, budget: forever}\n'
    (tmp_path / 'wiring.yaml').write_text(
        edited(WIRING, ('    outputs:\n', value + '    outputs:\n'))
    )
    bundle = tmp_path / 'bundle'
    bundle.mkdir()
    (bundle / 'policy.yaml').write_text(SAVED_CONTRACT)
    shutil.copy(SAVED, bundle / 'policy.zip')
    seal_bundle(bundle)
    bring_up(tmp_path)
    return tmp_path


FILES = {
    'wiring.yaml': 'folder',
    'bundle/policy.yaml': 'folder',
    'bundle/policy.onnx': 'folder',
    'bundle/stats': 'folder',
    'bundle/start': 'folder',
    'bundle/policy.zip': 'saved_folder',
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('part', ['nothing', 'a byte', 'half', 'all but a byte'])
def test_a_file_that_ends_early(request, name, part):
    folder = request.getfixturevalue(FILES[name])
    data = (folder / name).read_bytes().rstrip(b'\n')
    left = {'nothing': 0, 'a byte': 1, 'half': len(data) // 2, 'all but a byte': len(data) - 1}
    write(folder, name, data[: left[part]])
    text = refused(folder, f'{folder / name}')
    assert 'Traceback' not in text and len(text) < 1000


@pytest.mark.timeout(120)
@pytest.mark.parametrize('name', FILES)
def test_a_file_with_bytes_changed_is_refused_or_whole(request, name):
    """Where no checksum of the format says so, and the hash was made anew."""
    folder = request.getfixturevalue(FILES[name])
    data = (folder / name).read_bytes()
    sound = {file: file.read_bytes() for file in folder.rglob('*') if file.is_file()}
    chance, refusals = random.Random(7), 0
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(min(len(changed), 4000))] = chance.randrange(256)
        write(folder, name, bytes(changed))
        try:
            bring_up(folder)
        except FournexError as problem:
            assert str(folder) in str(problem)
            refusals += 1
        for file, content in sound.items():
            file.write_bytes(content)
    assert refusals > 5
