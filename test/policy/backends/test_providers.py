"""What computes a policy: the list of the wiring in its order, what is refused of it, and why."""

import dataclasses

import onnxruntime
import pytest
from backend_cases import ONNX_CASES, TORCH_CASES, bits, initial, observations

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.inference import DEFAULT_INFERENCE, Inference

INLINE, WORKER = ONNX_CASES[0], ONNX_CASES[1]
TORCH = next(case for case in TORCH_CASES if case.backend == 'torchscript')
VERSION = f'onnxruntime {onnxruntime.__version__}'
NOT_BUILT = f'{VERSION} is built without it here (onnxruntime-gpu has it)'


@pytest.fixture(params=['inline', 'process'])
def place(request):
    def load(bundle, inference=DEFAULT_INFERENCE):
        return load_backend(bundle, dataclasses.replace(inference, isolation=request.param))

    return load


def test_the_processor_alone_by_default(make_bundle, place):
    backend = place(make_bundle(INLINE))
    assert backend.description == f'{VERSION} CPUExecutionProvider'
    backend.close()


def test_what_this_build_has_not_is_refused_with_the_reason_and_the_next_is_used(
    make_bundle, place
):
    made = make_bundle(INLINE)
    backend = place(made, Inference(('tensorrt', 'cuda', 'cpu'), threads=2))
    used, _, refused = backend.description.partition(' (refused: ')
    assert used == f'{VERSION} CPUExecutionProvider 2 threads'
    assert refused.startswith(f'tensorrt: {NOT_BUILT}; cuda: {NOT_BUILT}')
    plain = load_backend(made)
    asked = observations(3)
    ours, theirs = (bits(one.run(obs, {}) for obs in asked) for one in (backend, plain))
    assert ours == theirs
    backend.close()


def test_the_processor_is_not_added_to_a_list_that_lacks_it(make_bundle, place):
    with pytest.raises(ArtifactError) as caught:
        place(make_bundle(INLINE), Inference(('tensorrt', 'cuda')))
    said = str(caught.value)
    assert 'policy.onnx' in said or 'stateless.onnx' in said
    assert f'tensorrt: {NOT_BUILT}' in said and f'cuda: {NOT_BUILT}' in said
    assert 'Mend one of them, or add cpu to the list' in said


@pytest.mark.filterwarnings('ignore:Specified provider')  # its own, on the way to doing so
def test_what_onnx_runtime_leaves_out_without_a_word_is_noticed(make_bundle, monkeypatch):
    """As in a build with CUDA on a machine without: it goes on, on the processor."""
    built = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: built)
    backend = load_backend(make_bundle(INLINE), Inference(('cuda', 'cpu'), isolation='inline'))
    used, _, refused = backend.description.partition(' (refused: ')
    assert used == f'{VERSION} CPUExecutionProvider'
    assert refused.startswith('cuda: ') and 'libonnxruntime_providers_cuda.so' in refused
    with pytest.raises(ArtifactError, match=r'cuda: .*libonnxruntime_providers_cuda\.so'):
        load_backend(make_bundle(INLINE), Inference(('cuda',), isolation='inline'))


def test_a_recording_is_replayed_where_there_is_only_a_processor(tmp_path):
    robot = Inference(('cuda',), 2, tmp_path / 'python')
    assert robot.on_another_machine() == Inference(('cuda', 'cpu'), 2, isolation='inline')
    (tmp_path / 'python').touch()
    assert robot.on_another_machine().python == tmp_path / 'python'
    assert Inference().on_another_machine() == Inference(isolation='inline')


@pytest.mark.torch
@pytest.mark.timeout(200)
def test_torch_refuses_in_the_same_words(make_bundle, load):
    made = make_bundle(TORCH)
    backend = load_backend(made, Inference(('tensorrt', 'cuda', 'cpu'), threads=2))
    used, _, refused = backend.description.partition(' (refused: ')
    assert used.startswith('torch ') and used.endswith(' TorchScript cpu 2 threads')
    assert refused.startswith('tensorrt: torch does not compute with it; cuda: torch ')
    backend.run(observations(1)[0], initial(made))
    backend.close()
    with pytest.raises(ArtifactError, match=r'stateless\.pt: .*tensorrt: torch does not compute'):
        load_backend(made, Inference(('tensorrt',)))
