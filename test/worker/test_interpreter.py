"""Which Python a worker runs under, what it gets of this process's environment, what it needs."""

import os
import pathlib
import sys

import pytest
from backend_cases import bits, bundle, contract, observations, onnx_model

from fournex_runtime.errors import ConfigurationError, MissingDependencyError, WorkerDied
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.backend import WorkerBackend
from fournex_runtime.worker.interpreter import environment, find_interpreter

FOREIGN = ('AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH', 'PYTHONPATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')


@pytest.fixture
def plain(tmp_path):
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path / 'plain', onnx_model('stateless'), text, 'policy.onnx')


def script(folder, body):
    """Return a program that is asked to be a worker."""
    found = folder / 'python'
    found.write_text(body)
    found.chmod(0o755)
    return found


def test_another_interpreter_sees_nothing_of_this_environment(monkeypatch):
    for name in FOREIGN:
        monkeypatch.setenv(name, '/somewhere')
    monkeypatch.setenv('KEPT', 'yes')
    other = environment(pathlib.Path('/usr/bin/other-python'), 3)
    assert not {*FOREIGN} & {*other}
    assert other['KEPT'] == 'yes' and other['OMP_NUM_THREADS'] == '3'
    own = environment(pathlib.Path(sys.executable), 1)
    assert {name: own[name] for name in FOREIGN} == dict.fromkeys(FOREIGN, '/somewhere')


def test_torch_has_a_python_of_its_own_where_one_is_named(monkeypatch, tmp_path):
    named = script(tmp_path, '#!/bin/sh\n')
    monkeypatch.setenv('FOURNEX_TORCH_PYTHON', str(named))
    assert find_interpreter('torchscript', None, 'f') == named
    assert find_interpreter('torch_export', None, 'f') == named
    assert find_interpreter('onnx', None, 'f') == pathlib.Path(sys.executable)
    other = script(tmp_path / '..' / tmp_path.name, '#!/bin/sh\n')
    assert find_interpreter('torchscript', other, 'f') == named


@pytest.mark.parametrize(
    ('by', 'name'), [('python', 'python'), ('variable', 'FOURNEX_TORCH_PYTHON')]
)
def test_a_python_that_is_not_there_is_named_with_who_asked_for_it(monkeypatch, by, name):
    nowhere = pathlib.Path('/nowhere/bin/python')
    monkeypatch.setenv('FOURNEX_TORCH_PYTHON', str(nowhere))
    with pytest.raises(ConfigurationError, match=f'^{name}: /nowhere/bin/python is not a program'):
        find_interpreter('torchscript', nowhere if by == 'python' else None, 'f')


def test_packages_that_are_missing_are_named_with_the_command(plain, tmp_path):
    bare = script(tmp_path, f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    with pytest.raises(MissingDependencyError) as caught:
        WorkerBackend(plain, Inference(python=bare))
    said = str(caught.value)
    assert 'numpy, pyyaml, onnxruntime' in said and 'policy.onnx' in said
    assert f'{bare} -m pip install numpy pyyaml onnxruntime' in said


def test_a_python_that_is_too_old_says_its_version(plain, tmp_path):
    old = script(
        tmp_path,
        f'#!/bin/sh\nexec {sys.executable} -c "import runpy, sys; '
        "sys.version_info = (3, 8, 10); runpy.run_path(sys.argv[1], run_name='__main__')"
        '" "$@"\n',
    )
    with pytest.raises(ConfigurationError, match=r'needs Python 3\.10 or later.* Python 3\.8\.10'):
        WorkerBackend(plain, Inference(python=old))


@pytest.mark.parametrize(
    ('body', 'words'),
    [
        ('#!/bin/sh\nexit 3\n', 'ended with status 3'),
        ('#!/bin/sh\necho no such luck\nexit 1\n', 'no such luck'),
        ('#!/bin/sh\nkill -9 $$\n', 'was killed by SIGKILL'),
    ],
)
def test_a_program_that_is_no_python_is_told_by_how_it_ended(plain, tmp_path, body, words):
    with pytest.raises(WorkerDied, match=words) as caught:
        WorkerBackend(plain, Inference(python=script(tmp_path, body)))
    assert str(tmp_path / 'python') in str(caught.value)


def test_a_file_that_is_no_program_is_refused(plain, tmp_path):
    with pytest.raises(
        ConfigurationError, match=r'policy\.onnx: .*python cannot be started: Exec'
    ):
        WorkerBackend(plain, Inference(python=script(tmp_path, 'neither script nor program')))


def test_a_worker_takes_nothing_that_lies_beside_our_package(plain, checkout, tmp_path):
    """A numpy beside ours belongs to this interpreter; the worker's own is meant."""
    beside = tmp_path / 'beside'
    (beside / 'numpy').mkdir(parents=True)
    (beside / 'numpy' / '__init__.py').write_text('raise ImportError("the wrong numpy")')
    (beside / 'fournex_runtime').symlink_to(checkout / 'fournex_runtime')
    program = beside / 'fournex_runtime' / 'worker'
    other = script(tmp_path, f'#!/bin/sh\nshift\nexec {sys.executable} {program} "$@"\n')
    backend = WorkerBackend(plain, Inference(python=other))
    backend.run(observations(1)[0], {})
    backend.close()


@pytest.mark.torch
def test_a_worker_under_another_python_gives_the_same_bits(plain, torch_python, monkeypatch):
    monkeypatch.setenv('LD_LIBRARY_PATH', os.environ.get('LD_LIBRARY_PATH', '/nowhere'))
    backend = WorkerBackend(plain, Inference(python=torch_python))
    with open(f'/proc/{backend.pid}/environ', 'rb') as stream:
        names = {entry.split(b'=')[0].decode() for entry in stream.read().split(b'\0')}
    assert not {*FOREIGN} & names
    asked = observations(20)
    here = load_backend(plain)
    assert bits(backend.run(one, {}) for one in asked) == bits(here.run(one, {}) for one in asked)
    backend.close()
