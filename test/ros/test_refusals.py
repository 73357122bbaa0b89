"""What does not fit is refused before anything is published: exit status 2 and one message."""

from __future__ import annotations

import shutil
import time

import pytest
from robot_side import joint_state
from tiny_session import edited

from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.ros.node import WATCH_S


def refused(process, *words: str) -> str:
    """Wait for a refusal and check what it says."""
    assert process.wait(30) == 2
    text = process.text()
    for word in words:
        assert word in text, text
    assert 'Nothing was started.' in text
    assert 'Traceback' not in text, text
    return text


def test_a_topic_that_nobody_publishes_is_named_with_its_type(robot, runtime):
    side = robot(namespace='elsewhere')
    process = runtime(graph_timeout=4.0)
    text = refused(
        process,
        'nobody publishes /joint_states (sensor_msgs/msg/JointState). Did you mean '
        '/elsewhere/joint_states (sensor_msgs/msg/JointState)?',
    )
    assert '/fournex/' not in text, 'its own topics are no help'
    assert side.commands == []


def test_a_topic_of_another_name_is_suggested_by_its_type(robot, runtime):
    robot()
    process = runtime(remap=['joint_states:=encoders'], graph_timeout=4.0)
    refused(process, 'Of that type there is /joint_states')


def test_a_silent_topic_is_named(robot, runtime):
    side = robot()
    side.state = lambda: None
    refused(runtime(graph_timeout=4.0), 'no message on /joint_states')


def test_another_message_type_is_named(robot, runtime, wiring_file):
    robot()
    file = wiring_file(
        (
            'topic: joint_states, type: sensor_msgs/msg/JointState',
            'topic: joint_states, type: std_msgs/msg/Float64MultiArray, joints: [cart, pole]',
        )
    )
    refused(
        runtime(file),
        '/joint_states is published as sensor_msgs/msg/JointState',
        'wired as std_msgs/msg/Float64MultiArray',
    )


def test_a_qos_that_is_not_offered_is_named(robot, runtime, wiring_file):
    robot(best_effort=True)
    file = wiring_file(('budget: 50 ms}', 'budget: 50 ms, qos: {reliability: reliable}}'))
    refused(runtime(file), '/joint_states', 'reliable delivery, not best effort', 'Leave qos: out')


def test_best_effort_is_taken_where_it_is_what_is_offered(robot, runtime):
    side = robot(best_effort=True)
    runtime()
    side.wait_for_commands(5)


def test_a_second_commander_gives_way_whatever_its_name(robot, runtime):
    side = robot()
    first = runtime()
    side.wait_for_commands(5)
    time.sleep(WATCH_S)
    others = [
        runtime(name='of-another-name', remap=['__node:=second']),
        runtime(name='of-the-same-name'),
    ]
    for one in others:
        assert one.wait(40) == 2, one.text()
        text = one.text()
        assert '/effort_controller/commands is commanded by' in text, text
        assert 'two publishers on one command topic fight over the robot' in text, text
    side.wait_for_commands(5)
    assert first.process.poll() is None


def test_joint_names_that_the_robot_does_not_have_are_refused(robot, runtime):
    side = robot()
    side.state = lambda: joint_state((0.0, 0.0), names=('cart', 'pol'))
    text = refused(runtime(), "no joint 'pole'", 'Did you mean pol?')
    assert 'joint_position' in text
    assert side.commands == []


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        (
            'joint_position: {',
            'joint_positon: {',
            ('wiring.yaml:7', 'Did you mean joint_position'),
        ),
        ('budget: 50 ms', 'budgt: 50 ms', ('wiring.yaml:7', 'budget is missing')),
        ('max: 10.0', 'max: -20.0', ('wiring.yaml:', 'min -10.0 is not below max -20.0')),
        ('stop: zero', 'stop: {cart: 99.0}', ('outside its limits -10.0 to 10.0',)),
    ],
)
def test_a_wiring_that_is_not_valid_is_refused(runtime, wiring_file, old, new, words):
    refused(runtime(wiring_file((old, new))), *words)


def test_an_altered_bundle_is_refused(checkout, runtime, tmp_path):
    bundle = tmp_path / 'bundle'
    shutil.copytree(checkout / 'examples/pendulum/bundle', bundle)
    with (bundle / 'policy.onnx').open('ab') as file:
        file.write(b'\0')
    refused(runtime(bundle=bundle), 'policy.onnx: altered')


def test_a_rate_of_zero_is_refused(checkout, runtime, tmp_path):
    bundle = tmp_path / 'bundle'
    shutil.copytree(checkout / 'examples/pendulum/bundle', bundle)
    contract = bundle / 'policy.yaml'
    contract.write_text(contract.read_text().replace('period: 20 ms', 'period: 0 ms'))
    refused(runtime(bundle=bundle), 'policy.yaml:5: period', 'not a duration greater than zero')


def test_a_contract_that_does_not_fit_its_artifact_is_refused(checkout, runtime, tmp_path):
    bundle = tmp_path / 'bundle'
    shutil.copytree(checkout / 'examples/pendulum/bundle', bundle)
    contract = bundle / 'policy.yaml'
    contract.write_text(
        contract.read_text()
        .replace('[cart, pole]', '[cart, pole, tail]')
        .replace('scale: [2.0, 10.0]', 'scale: 1.0')
    )
    refused(runtime(bundle=bundle), 'input obs is float32 [1, 2] in the artifact', '[1, 3]')


def test_a_refused_runtime_leaves_no_bag_behind(robot, runtime, tmp_path):
    side = robot()
    side.state = lambda: None
    refused(runtime(graph_timeout=0.5, record=tmp_path / 'runs'))
    assert not (tmp_path / 'runs').exists() or not list((tmp_path / 'runs').iterdir())
    time.sleep(0.1)
    assert side.commands == []


def damaged(folder, checkout, name: str, backend: str, data: bytes) -> None:
    """Put a bundle into a folder whose artifact is damaged, under a hash that is right."""
    text = (checkout / 'examples/pendulum/bundle/policy.yaml').read_text()
    zeros = '0' * 64
    artifact = f'artifact: {{file: {name}, sha256: {zeros!r}, backend: {backend}}}\n'
    folder.mkdir()
    (folder / 'policy.yaml').write_text(text[: text.index('artifact:')] + artifact)
    (folder / name).write_bytes(data)
    seal_bundle(folder)


@pytest.mark.parametrize(
    ('name', 'backend'),
    [
        ('policy.onnx', 'onnx'),
        ('policy.zip', 'stable_baselines3'),
        pytest.param('policy.pt', 'torchscript', marks=pytest.mark.torch),
    ],
)
def test_an_artifact_that_is_damaged_is_named_and_nothing_stays(
    robot, runtime, wiring_file, checkout, tmp_path, request, name, backend
):
    if backend == 'torchscript':
        request.getfixturevalue('torch_python')
    side = robot()
    data = (checkout / 'examples/pendulum/bundle/policy.onnx').read_bytes()
    damaged(tmp_path / 'bundle', checkout, name, backend, data[: len(data) // 2])
    bundle = checkout / 'examples/pendulum/bundle'
    file = wiring_file((f'policy: {bundle}', f'policy: {tmp_path / "bundle"}'))
    refused(runtime(file), f'{tmp_path / "bundle" / name}: not a')
    assert side.commands == []


def test_a_second_policy_that_can_never_be_in_time_is_refused(
    robot, runtime, wiring_file, checkout, tmp_path
):
    calm = shutil.copytree(checkout / 'examples/pendulum/bundle', tmp_path / 'calm')
    text = (calm / 'policy.yaml').read_text()
    (calm / 'policy.yaml').write_text(edited(text, ('name: pendulum-balance', 'name: calm')))
    seal_bundle(calm)
    beside = (
        f'    fallback: {{calm: {{policy: {calm}, inference: {{budget: 1 ns}}}}}}\n    reward:'
    )
    file = wiring_file(
        ('stale: hold 60 ms then stop', 'stale: policy calm then stop'), ('    reward:', beside)
    )
    side = robot()
    process = runtime(file)
    refused(process, 'sessions.pendulum: fallback.calm.timing: inference takes at least')
    assert side.commands == []
