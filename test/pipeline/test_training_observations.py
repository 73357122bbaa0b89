"""What a policy saw in training it sees on the robot, bit for bit."""

import json
import pathlib
import subprocess

import pytest

pytestmark = pytest.mark.torch


@pytest.mark.parametrize('robot', ['rover', 'arm', 'pendulum'])
def test_the_observation_is_that_of_the_training_environment(
    robot, checkout, torch_python, torch_environment
):
    program = pathlib.Path(__file__).with_name('env_observations.py')
    done = subprocess.run(
        [torch_python, program, checkout / 'examples' / robot],
        env=torch_environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found['steps'] == 200
    assert found['differences'] == []
