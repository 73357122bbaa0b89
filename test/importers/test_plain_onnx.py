"""ONNX that says nothing of training, recurrent or not."""

from __future__ import annotations

import numpy as np
import pytest
from imported_session import ImportedSession
from linear_onnx import finished, linear_onnx, weights
from onnx import TensorProto, helper, load_model_from_string, numpy_helper, save_model
from ros_messages import joint_state

from fournex_runtime.errors import AnswerError, ArtifactError, OpenQuestions

JOINTS = ['hip', 'knee']
ANSWERS = {
    'period': '10 ms',
    'inputs.obs': [
        {'term': 'joint_position', 'joints': JOINTS, 'relative_to': 'default_pose'},
        {'term': 'last_action'},
    ],
    'outputs.actions': [
        {'term': 'joint_position_target', 'joints': JOINTS, 'scale': 0.5, 'offset': 'default_pose'}
    ],
    'default_pose': [0.1, -0.2],
    'start_pose': 'default_pose',
    'normaliser': 'in_network',
}
WIRED = {'joint_position': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'}}
MEASURED = {'joint_states': joint_state(['knee', 'hip'], [0.4, 0.3])}


def test_a_model_without_a_word_is_driven_by_the_answers(import_to, tmp_path):
    file = tmp_path / 'legs.onnx'
    file.write_bytes(linear_onnx(weights(4, 2), batch='batch'))
    session = ImportedSession(import_to(file, ANSWERS).folder, WIRED)
    matrix, action = weights(4, 2).astype(np.float64), np.zeros(2)
    for _ in range(3):
        action = np.array([0.3 - 0.1, 0.4 + 0.2, *action]) @ matrix
        sent = session.commands(MEASURED)['joint_position_target']
        np.testing.assert_allclose(sent, action * 0.5 + [0.1, -0.2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('as_folder', [False, True])
def test_a_model_in_two_files_becomes_one(import_to, tmp_path, as_folder):
    """As ``torch.onnx.export`` writes it by default."""
    file = tmp_path / 'legs.onnx'
    model = load_model_from_string(linear_onnx(weights(4, 2)))
    save_model(model, file, save_as_external_data=True, location='legs.data', size_threshold=0)
    folder = import_to(tmp_path if as_folder else file, ANSWERS).folder
    session = ImportedSession(folder, WIRED)
    sent = session.commands(MEASURED)['joint_position_target']
    action = np.array([0.3 - 0.1, 0.4 + 0.2, 0.0, 0.0]) @ weights(4, 2).astype(np.float64)
    np.testing.assert_allclose(sent, action * 0.5 + [0.1, -0.2], rtol=1e-5, atol=1e-6)
    (tmp_path / 'legs.data').unlink()
    with pytest.raises(ArtifactError, match=r'legs\.onnx: keeps numbers in legs\.data, which is'):
        import_to(file, ANSWERS)


def test_everything_that_it_leaves_open_is_asked(import_to, tmp_path):
    (tmp_path / 'legs.onnx').write_bytes(linear_onnx(weights(4, 2)))
    with pytest.raises(OpenQuestions) as caught:
        import_to(tmp_path / 'legs.onnx', {})
    text = str(caught.value)
    for key in ('period', 'inputs.obs', 'outputs.actions', 'normaliser'):
        assert f'--set {key}=' in text or f"--set '{key}=" in text
    assert 'the network begins with MatMul' in text


def recurrent(takes: str, gives: str) -> bytes:
    """Return a model whose state adds up its observations; the action is the sum."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node('MatMul', ['obs', 'matrix'], ['seen']),
            helper.make_node('Reshape', ['seen', 'shape'], ['shaped']),
            helper.make_node('Add', [takes, 'shaped'], [gives]),
            helper.make_node('Reshape', [gives, 'flat'], ['actions']),
        ],
        'policy',
        [info('obs', TensorProto.FLOAT, [1, 4]), info(takes, TensorProto.FLOAT, [1, 1, 2])],
        [info('actions', TensorProto.FLOAT, [1, 2]), info(gives, TensorProto.FLOAT, [1, 1, 2])],
        [
            numpy_helper.from_array(weights(4, 2), 'matrix'),
            numpy_helper.from_array(np.array([1, 1, 2]), 'shape'),
            numpy_helper.from_array(np.array([1, 2]), 'flat'),
        ],
    )
    return finished(graph)


def drive(folder) -> list[list[float]]:
    session = ImportedSession(folder, WIRED)
    return [session.commands(MEASURED)['joint_position_target'] for _ in range(3)]


def remembered() -> list[np.ndarray]:
    """Return what the recurrent model commands, computed apart."""
    matrix, memory, found = weights(4, 2).astype(np.float64), np.zeros(2), []
    for _ in range(3):
        memory = memory + np.array([0.2, 0.6, *memory]) @ matrix
        found.append(memory * 0.5 + [0.1, -0.2])
    return found


def test_state_by_the_names_of_rsl_rl_is_recognised(import_to, tmp_path):
    (tmp_path / 'legs.onnx').write_bytes(recurrent('h_in', 'h_out'))
    bundle = import_to(tmp_path / 'legs.onnx', ANSWERS)
    assert [(one.name, one.shape) for one in bundle.contract.state] == [('h', (1, 1, 2))]
    np.testing.assert_allclose(drive(bundle.folder), remembered(), rtol=1e-5)


def test_state_by_other_names_is_asked(import_to, tmp_path):
    (tmp_path / 'legs.onnx').write_bytes(recurrent('memory', 'next'))
    with pytest.raises(OpenQuestions, match=r"--set 'memory=\{memory: next\}'"):
        import_to(tmp_path / 'legs.onnx', ANSWERS)
    bundle = import_to(tmp_path / 'legs.onnx', {**ANSWERS, 'memory': {'memory': 'next'}})
    np.testing.assert_allclose(drive(bundle.folder), remembered(), rtol=1e-5)


def test_outputs_that_are_no_actions_are_left_out(import_to, tmp_path):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node('MatMul', ['obs', 'matrix'], ['actions']),
            helper.make_node('ReduceSum', ['obs', 'axis'], ['values'], keepdims=1),
        ],
        'policy',
        [info('obs', TensorProto.FLOAT, [1, 4])],
        [info('actions', TensorProto.FLOAT, [1, 2]), info('values', TensorProto.FLOAT, [1, 1])],
        [
            numpy_helper.from_array(weights(4, 2), 'matrix'),
            numpy_helper.from_array(np.array([1]), 'axis'),
        ],
    )
    (tmp_path / 'legs.onnx').write_bytes(finished(graph))
    with pytest.raises(OpenQuestions, match='which outputs are actions: actions, values'):
        import_to(tmp_path / 'legs.onnx', ANSWERS)
    bundle = import_to(tmp_path / 'legs.onnx', {**ANSWERS, 'actions': ['actions']})
    assert list(bundle.contract.outputs) == ['actions']


def test_statistics_beside_a_network_are_taken_only_when_they_are_named(
    import_to, saved, tmp_path
):
    (tmp_path / 'legs.onnx').write_bytes(linear_onnx(weights(4, 2)))
    statistics = tmp_path / 'vec_normalize.pkl'
    statistics.write_bytes((saved / 'ppo-2.0.0.pkl').read_bytes())
    unsaid = {key: value for key, value in ANSWERS.items() if key != 'normaliser'}
    with pytest.raises(OpenQuestions, match='--set normaliser=in_network'):
        import_to(tmp_path / 'legs.onnx', unsaid)
    bundle = import_to(tmp_path / 'legs.onnx', unsaid, statistics)
    assert bundle.contract.normalisation[0].input == 'obs'


def test_terms_that_do_not_fill_the_input_are_refused(import_to, tmp_path):
    (tmp_path / 'legs.onnx').write_bytes(linear_onnx(weights(5, 2)))
    with pytest.raises(AnswerError, match=r'inputs.obs.shape: is \[5\], the terms make it \[4\]'):
        import_to(tmp_path / 'legs.onnx', ANSWERS)


def test_an_input_of_open_length_is_refused(import_to, tmp_path):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node('Identity', ['obs'], ['actions'])],
        'policy',
        [info('obs', TensorProto.FLOAT, ['batch', 'size'])],
        [info('actions', TensorProto.FLOAT, ['batch', 'size'])],
    )
    (tmp_path / 'legs.onnx').write_bytes(finished(graph))
    with pytest.raises(ArtifactError, match=r"obs: expected fixed lengths.*found \['\?', '\?'\]"):
        import_to(tmp_path / 'legs.onnx', ANSWERS)
