"""What torch's artifacts can be wrong in, and what is made right by loading them."""

import sys

import pytest
from backend_cases import STATES, Case, bits, episode, initial, observations

from fournex_runtime.errors import ArtifactError, LateAnswer, MissingDependencyError
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.worker.backend import WorkerBackend

SCRIPT = Case('torchscript', 'stateless', 'policy.pt', True)
EXPORT = Case('torch_export', 'stateless', 'policy.pt2', True)


@pytest.mark.torch
@pytest.mark.parametrize('network', ['lstm-buffers', 'gru-buffers'])
def test_a_module_saved_in_mid_episode_begins_at_its_beginning(network, make_bundle, load):
    case = Case('torchscript', network, f'{network}.pt', True)
    made = [make_bundle(case), make_bundle(case, artifact=f'{network}-in-mid-episode.pt')]
    assert made[0].artifact != made[1].artifact
    asked = observations(5)
    plain, saved = (bits(episode(load(case, one), initial(one), asked)) for one in made)
    assert plain == saved


@pytest.mark.torch
@pytest.mark.parametrize(
    ('case', 'network', 'artifact', 'words'),
    [
        (SCRIPT, 'stateless', 'truncated.pt', 'not a loadable TorchScript archive'),
        (EXPORT, 'stateless', 'truncated.pt2', r'not a loadable torch\.export program'),
        (SCRIPT, 'stateless', 'stateless.pt2', 'not a loadable TorchScript archive'),
        (EXPORT, 'stateless', 'stateless.pt', r'not a loadable torch\.export program'),
        (EXPORT, 'stateless', 'keyword.pt2', r'keyword, nested or constant arguments \(obs\)'),
        (SCRIPT, 'stateless', 'double.pt', r'inference failed: .*(dtype|type)'),
        (SCRIPT, 'stateless', 'random.pt', 'two answers to one question'),
        (SCRIPT, 'stateless', 'counting.pt', 'two answers to one question'),
        (SCRIPT, 'stateless', 'tupled.pt', r'argument state of forward\(\) is a Tuple'),
        (SCRIPT, 'stateless', 'normalised.pt', r'changes its buffers step when it runs'),
        (SCRIPT, 'stateless', 'lstm-buffers.pt', r'buffers cell_state, hidden_state'),
        (EXPORT, 'stateless', 'lstm-buffers.pt2', r'buffers cell_state, hidden_state'),
        (SCRIPT, 'gru-buffers', 'lstm-buffers.pt', r'changes its buffers cell_state'),
        (SCRIPT, 'lstm-buffers', 'gru-buffers.pt', r'no buffer cell_state.*it has hidden_state'),
        (SCRIPT, 'stateless', 'lstm.pt', r'takes 3 arrays \(obs, h_in, c_in\).*gives 1 array'),
        (SCRIPT, 'lstm', 'stateless.pt', r'takes 1 array \(obs\).*\(obs, h_in, c_in\)'),
    ],
)
def test_what_is_wrong_with_it_is_said(case, network, artifact, words, make_bundle, load):
    case = Case(case.backend, network, case.file, True)
    with pytest.raises(ArtifactError, match=words) as caught:
        load(case, make_bundle(case, artifact=artifact))
    assert case.file in str(caught.value)
    assert 'Traceback' not in str(caught.value)


@pytest.mark.torch
@pytest.mark.parametrize('backend', ['torchscript', 'torch_export'])
def test_states_in_another_order_than_the_artifact_takes_them_are_refused(
    backend, make_bundle, load
):
    suffix = {'torchscript': 'pt', 'torch_export': 'pt2'}[backend]
    case = Case(backend, 'lstm', f'lstm.{suffix}', True)
    h, c = STATES['lstm'].splitlines(keepends=True)
    with pytest.raises(ArtifactError, match='argument 1 is h_in, the contract has c_in there'):
        load(case, make_bundle(case, (h + c, c + h)))


@pytest.mark.torch
def test_a_buffer_that_is_no_state_is_not_taken_for_one(make_bundle, load):
    case = Case('torchscript', 'gru-buffers', 'policy.pt', True)
    change = ('buffer: hidden_state', 'buffer: mean')
    with pytest.raises(ArtifactError, match='changes its buffers step'):
        load(case, make_bundle(case, change, artifact='normalised.pt'))
    both = (
        STATES['gru-buffers'],
        STATES['gru-buffers'].replace('hidden_state', 'mean')
        + '  n: {shape: [1], buffer: step, initial: zeros, reset: episode}\n',
    )
    with pytest.raises(ArtifactError, match='buffers mean do not change'):
        load(case, make_bundle(case, both, artifact='normalised.pt'))


@pytest.mark.torch
def test_what_goes_wrong_in_a_run_is_said_and_the_next_run_is_right(make_bundle):
    made = make_bundle(SCRIPT, artifact='choosy.pt')
    backend = WorkerBackend(made, timeout_s=0.3)
    right = observations(1)[0]
    try:
        expected = bits([backend.run(right, {})])
        for value, words in ((350.0, 'this is too much for me'), (250.0, r'shape \[1, 3\]')):
            with pytest.raises(ArtifactError, match=words):
                backend.run({'obs': right['obs'] + value}, {})
            assert bits([backend.run(right, {})]) == expected
        for _ in range(2):
            with pytest.raises(LateAnswer, match='no answer within 300 ms'):
                backend.run({'obs': right['obs'] + 150.0}, {})
    finally:
        backend.close()


def test_without_torch_the_error_says_how_to_get_it(make_bundle, monkeypatch, tmp_path):
    from backend_cases import bundle, contract

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
