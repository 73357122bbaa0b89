"""Bundles of every kind, and their backends, loaded once."""

import subprocess

import pytest
from backend_cases import Case, bundle, contract, load_as, onnx_model


@pytest.fixture(scope='session')
def torch_artifacts(checkout, torch_python, torch_environment, tmp_path_factory):
    """Return the folder with the artifacts that torch makes."""
    folder = tmp_path_factory.mktemp('torch-artifacts')
    script = checkout / 'test' / 'support' / 'torch_artifacts.py'
    done = subprocess.run(
        [torch_python, '-W', 'ignore', script, folder],
        env=torch_environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope='session')
def make_bundle(request, tmp_path_factory):
    """Return a function that makes the bundle of a case, with changes to its contract."""

    def make(case: Case, *changes, artifact=None):
        if case.backend == 'onnx':
            found = onnx_model(case.network)
        else:
            found = request.getfixturevalue('torch_artifacts') / (artifact or case.file)
        text = contract(case.backend, case.file, case.network, *changes)
        return bundle(tmp_path_factory.mktemp('bundle') / case.network, found, text, case.file)

    return make


@pytest.fixture
def load():
    """Return a function that loads a bundle as a case says; all are closed after the test."""
    loaded = []

    def load_and_keep(case: Case, made):
        loaded.append(load_as(case, made))
        return loaded[-1]

    yield load_and_keep
    for backend in loaded:
        backend.close()
