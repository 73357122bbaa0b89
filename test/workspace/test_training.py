"""The environment for training: what is in it, and that the training scripts run there."""

from __future__ import annotations

import ast
import json
import re
import subprocess

import onnxruntime
import pytest
from packaging.requirements import Requirement

pytestmark = [pytest.mark.torch, pytest.mark.timeout(240)]

INSTALLED = (
    'import importlib.metadata as m, json;'
    'print(json.dumps({d.metadata["Name"].lower(): d.version for d in m.distributions()}))'
)


@pytest.fixture
def train(torch_python, torch_environment, checkout):
    """Run Python in the environment for training and return what it prints."""

    def run(*arguments) -> str:
        answer = subprocess.run(
            [torch_python, *arguments],
            env=torch_environment,
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return run


def test_what_is_installed_is_what_is_pinned(train, checkout):
    installed = json.loads(train('-c', INSTALLED))
    pins = (checkout / 'config' / 'environments' / 'torch.txt').read_text().splitlines()
    requirements = [Requirement(line) for line in pins if line and not line.startswith('#')]
    assert {requirement.name for requirement in requirements} >= {'torch', 'sb3-contrib'}
    for requirement in requirements:
        names = (requirement.name, requirement.name.replace('-', '_'))
        (version,) = {installed[name.lower()] for name in names if name.lower() in installed}
        assert requirement.specifier.contains(version), str(requirement)


@pytest.mark.parametrize('robot', ['rover', 'arm', 'pendulum'])
def test_the_command_in_a_training_scripts_docstring_runs(
    robot, torch_python, torch_environment, checkout
):
    script = (checkout / 'examples' / robot / 'train.py').read_text()
    (line,) = re.findall(
        r'^    .*\.venv-torch/bin/python .*$', ast.get_docstring(ast.parse(script)), re.M
    )
    command = line.strip().replace('.venv-torch/bin/python', str(torch_python))
    answer = subprocess.run(
        ['/bin/sh', '-c', f'{command} --help'],
        env={name: value for name, value in torch_environment.items() if name != 'PYTHONPATH'},
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert {'--seed', '--steps', '--out'} <= set(re.findall(r'--[a-z]+', answer.stdout))


def test_a_short_training_writes_an_onnx_file_that_does_what_the_model_does(train, tmp_path):
    text = train('-m', 'examples.pendulum.train', '--steps', '2048', '--out', tmp_path)
    (apart,) = re.findall(r'differs from RecurrentPPO.predict by at most (\S+)', text)
    assert float(apart) < 1e-6
    session = onnxruntime.InferenceSession(
        tmp_path / 'policy.onnx', providers=['CPUExecutionProvider']
    )
    assert [item.name for item in session.get_inputs()] == ['obs', 'h_in', 'c_in']
    assert [item.name for item in session.get_outputs()] == ['action', 'h_out', 'c_out']
