"""What torch's artifacts can be wrong in, and what is made right by loading them."""

import importlib.util
import re
import sys

import pytest
from backend_cases import (
    STATES,
    Case,
    bits,
    bundle,
    contract,
    episode,
    initial,
    observations,
)

from fournex_runtime.errors import ArtifactError, LateAnswer, MissingDependencyError
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.worker.backend import WorkerBackend

SCRIPT = Case('torchscript', 'stateless', 'policy.pt', True)
EXPORT = Case('torch_export', 'stateless', 'policy.pt2', True)
H, C = STATES['lstm'].splitlines(keepends=True)
SWAPPED = (H + C, C + H)
MEAN = ('buffer: hidden_state', 'buffer: mean')
STEP = (
    STATES['gru-buffers'],
    STATES['gru-buffers'].replace('hidden_state', 'mean')
    + '  n: {shape: [1], buffer: step, initial: zeros, reset: episode}\n',
)
HIDDEN = r'changes its buffers cell_state, hidden_state when it runs'
ORDER = 'argument 1 is h_in, the contract has c_in there'
FAULTS = {
    'truncated script': (SCRIPT, 'stateless', 'truncated.pt', (), 'not a complete zip archive'),
    'truncated export': (EXPORT, 'stateless', 'truncated.pt2', (), 'not a complete zip archive'),
    'export as script': (SCRIPT, 'stateless', 'stateless.pt2', (), 'not a loadable TorchScript'),
    'script as export': (EXPORT, 'stateless', 'stateless.pt', (), r'not a loadable torch\.export'),
    'keyword argument': (EXPORT, 'stateless', 'keyword.pt2', (), r'keyword, nested .* \(obs\)'),
    'tuple argument': (SCRIPT, 'stateless', 'tupled.pt', (), r'argument state .* is a Tuple'),
    'another dtype': (
        SCRIPT,
        'stateless',
        'double.pt',
        (),
        r'dtype.*gives it obs float32 \[1, 6\]',
    ),
    'random numbers': (SCRIPT, 'stateless', 'random.pt', (), r'random numbers \(aten::rand\)'),
    'hidden attribute': (SCRIPT, 'stateless', 'counting.pt', (), 'two answers to one question'),
    'hidden buffer': (SCRIPT, 'stateless', 'normalised.pt', (), 'changes its buffers step when'),
    'hidden lstm': (SCRIPT, 'stateless', 'lstm-buffers.pt', (), HIDDEN),
    'hidden lstm, exported': (EXPORT, 'stateless', 'lstm-buffers.pt2', (), HIDDEN),
    'half hidden': (
        SCRIPT,
        'gru-buffers',
        'lstm-buffers.pt',
        (),
        'changes its buffers cell_state',
    ),
    'no such buffer': (SCRIPT, 'lstm-buffers', 'gru-buffers.pt', (), 'has no buffer cell_state.*'),
    'no state': (SCRIPT, 'gru-buffers', 'normalised.pt', (MEAN,), 'changes its buffers step'),
    'constant as state': (SCRIPT, 'gru-buffers', 'normalised.pt', (STEP,), 'mean do not change'),
    'too many arguments': (SCRIPT, 'stateless', 'lstm.pt', (), r'takes 3 arrays .*gives 1 array'),
    'too few arguments': (
        SCRIPT,
        'lstm',
        'stateless.pt',
        (),
        r'takes 1 array \(obs\).*\(obs, h_in',
    ),
    'one tensor twice': (EXPORT, 'lstm', 'aliased.pt2', (), 'does not use its argument h_in'),
    'states swapped': (SCRIPT, 'lstm', 'lstm.pt', (SWAPPED,), ORDER),
    'states swapped, exported': (EXPORT, 'lstm', 'lstm.pt2', (SWAPPED,), ORDER),
}
"""What can be wrong: case, state of the contract, artifact, changes, words of the error."""


@pytest.mark.torch
@pytest.mark.parametrize('network', ['lstm-buffers', 'gru-buffers'])
def test_a_module_saved_in_mid_episode_begins_at_its_beginning(network, make_bundle, load):
    case = Case('torchscript', network, f'{network}.pt', True)
    made = [make_bundle(case), make_bundle(case, artifact=f'{network}-in-mid-episode.pt')]
    assert made[0].artifact != made[1].artifact
    asked = observations(5)
    plain, saved = (bits(episode(load(case, one), initial(one), asked)) for one in made)
    assert plain == saved


@pytest.fixture(scope='module')
def refusals(make_bundle, loading_says):
    """Return what loading each of ``FAULTS`` says."""
    made = [
        make_bundle(Case(case.backend, network, case.file, True), *changes, artifact=artifact)
        for case, network, artifact, changes, _ in FAULTS.values()
    ]
    return dict(zip(FAULTS, loading_says(made), strict=True))


@pytest.mark.torch
@pytest.mark.parametrize('fault', FAULTS)
def test_what_is_wrong_with_an_artifact_is_said(fault, refusals):
    case, *_, words = FAULTS[fault]
    assert re.search(words, refusals[fault])
    assert f'/{case.file}: ' in refusals[fault]
    assert 'Traceback' not in refusals[fault]


@pytest.mark.torch
def test_what_goes_wrong_in_a_run_is_said_and_the_next_run_is_right(make_bundle):
    made = make_bundle(SCRIPT, artifact='choosy.pt')
    backend = WorkerBackend(made, timeout_s=30.0)
    right = observations(1)[0]
    try:
        expected = bits([backend.run(right, {})])
        for value, words in ((350.0, 'this is too much for me'), (250.0, r'shape \[1, 3\]')):
            with pytest.raises(ArtifactError, match=words):
                backend.run({'obs': right['obs'] + value}, {})
            assert bits([backend.run(right, {})]) == expected
        backend.timeout_ns = 300_000_000
        for _ in range(2):
            with pytest.raises(LateAnswer, match='no answer within 300 ms'):
                backend.run({'obs': right['obs'] + 150.0}, {})
    finally:
        backend.close()


@pytest.mark.skipif(importlib.util.find_spec('torch') is not None, reason='torch is here')
def test_without_torch_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.delenv('FOURNEX_TORCH_PYTHON', raising=False)
    text = contract('torchscript', 'policy.pt', 'stateless')
    made = bundle(tmp_path, b'is not even read', text, 'policy.pt')
    with pytest.raises(MissingDependencyError) as caught:
        load_backend(made)
    for words in ('policy.pt', 'torchscript', 'pip install torch', 'FOURNEX_TORCH_PYTHON'):
        assert words in str(caught.value)
    assert 'torch' not in sys.modules


@pytest.mark.torch
def test_torch_is_never_loaded_in_this_process(make_bundle, load):
    backend = load(SCRIPT, make_bundle(SCRIPT, artifact='stateless.pt'))
    assert backend.description.startswith('torch ')
    assert 'torch' not in sys.modules
