"""Bundles of every kind, and their backends, loaded once."""

import json
import subprocess

import pytest
from backend_cases import MADE_BY, Case, bundle, contract, load_as, onnx_model

LOAD = """
import json, pathlib, sys
from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import signature
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.policy.torch_export_backend import TorchExportModel
from fournex_runtime.policy.torchscript_backend import TorchScriptModel
models, said = {'torchscript': TorchScriptModel, 'torch_export': TorchExportModel}, []
for folder in sys.argv[1:]:
    bundle = load_bundle(pathlib.Path(folder))
    contract = bundle.contract
    file = str(bundle.folder / contract.artifact.file)
    try:
        model = models[contract.artifact.backend]
        model(bundle.artifact, file, signature(contract), contract.state)
        said.append('')
    except ArtifactError as problem:
        said.append(str(problem))
print(json.dumps(said))
"""


@pytest.fixture(scope='session')
def sb3_artifacts(with_torch, tmp_path_factory):
    """Return the folder with the zips that Stable-Baselines3 makes."""
    folder = tmp_path_factory.mktemp('sb3-artifacts')
    with_torch('sb3_artifacts.py', folder, timeout_s=50.0)
    return folder


@pytest.fixture(scope='session')
def make_bundle(request, tmp_path_factory):
    """Return a function that makes the bundle of a case, with changes to its contract."""

    def make(case: Case, *changes, artifact=None):
        if case.backend == 'onnx':
            found = onnx_model(case.network)
        else:
            folder = request.getfixturevalue(MADE_BY[case.backend])
            found = folder / (artifact or case.file)
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


@pytest.fixture(scope='session')
def loading_says(torch_python, torch_environment):
    """
    Return a function that loads bundles as a worker does, and says of each what was wrong.

    All of them in one process, since torch starts slowly.
    """

    def load_each(made):
        done = subprocess.run(
            [torch_python, '-W', 'ignore', '-c', LOAD, *(one.folder for one in made)],
            env=torch_environment,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return load_each
