"""TorchScript and torch.export archives from strangers: programs, and zips of pickles."""

from __future__ import annotations

import math
import os
import pathlib
import pickle
import re
import subprocess
import sys
import zipfile

import pytest
from backend_cases import bundle, contract
from pickle_code import members, zipped

from fournex_runtime.errors import FournexError
from fournex_runtime.policy.backend import load_backend

FORMATS = {'torchscript': 'stateless.pt', 'torch_export': 'stateless.pt2'}


class Command:
    """Pickled, a call of ``os.system``."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture(scope='module')
def make(torch_artifacts, tmp_path_factory):
    """Return a function that makes a bundle of a sound archive with some members replaced."""

    def write(backend: str, changes=None, method=zipfile.ZIP_STORED, damage=b'', part=1.0):
        file = FORMATS[backend]
        found = members(torch_artifacts / file)
        folder = next(iter(found)).partition('/')[0]
        for name, data in (changes or {}).items():
            found[name.replace('FOLDER', folder)] = data
        data = zipped(found, method)
        if damage:
            at = data.index(damage)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        data = data[: math.ceil(len(data) * part)]
        text = contract(backend, file, 'stateless')
        return bundle(tmp_path_factory.mktemp('bundle'), data, text, file)

    return write


RUN = """
import sys
for name in ('torch', 'zipfile', 'tarfile', 'zlib', 'onnxruntime'):
    sys.modules[name] = None  # importing it is an error from now on
import pathlib
import numpy as np
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import load_bundle
backend = load_backend(load_bundle(pathlib.Path(sys.argv[1])))
outputs, _ = backend.run({'obs': np.ones((1, 6), np.float32)}, {})
backend.close()
mapped = pathlib.Path('/proc/self/maps').read_text()
assert 'libtorch' not in mapped and 'libc10' not in mapped
print(backend.description, outputs['action'].shape)
"""


@pytest.mark.torch
@pytest.mark.parametrize('backend', FORMATS)
def test_the_session_s_process_can_neither_run_nor_unpack_them(backend, make):
    made = make(backend)
    done = subprocess.run(
        [sys.executable, '-c', RUN, made.folder],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('torch ') and '(1, 2)' in done.stdout


def hostile(sentinel: pathlib.Path) -> dict[str, tuple]:
    """Return archives: backend, changes, method, damage, and words of the error."""
    evil = pickle.dumps(Command(f'touch {sentinel}'), 2)
    nested = zipped({'archive/data.pkl': evil})  # as torch.load() reads it
    both = {}
    for backend in FORMATS:
        both |= {
            f'{backend}: a bomb': (
                (backend, {'bomb': bytes(64 << 20)}, zipfile.ZIP_DEFLATED),
                "'bomb': .* expected at most 200 times",
            ),
            f'{backend}: a name that leaves it': (
                (backend, {'../evil': b''}),
                r"'\.\./evil': expected a name inside the archive",
            ),
            f'{backend}: other data than its checksum': (
                (backend, {'more': b'x' * 50}, zipfile.ZIP_STORED, b'x' * 50),
                "'more': damaged",
            ),
        }
        for part in (0.0, 1e-9, 0.5, 0.9999):
            both[f'{backend}: {part:.0e} of it'] = (
                (backend, {}, zipfile.ZIP_STORED, b'', part),
                'not a (complete )?zip archive',
            )
    script, inputs = 'FOLDER/data.pkl', 'FOLDER/data/sample_inputs/model.pt'
    return both | {
        'torchscript: a pickle': (('torchscript', {script: evil}), 'not a loadable'),
        'torchscript: constants': (
            ('torchscript', {'FOLDER/constants.pkl': evil}),
            'not a loadable',
        ),
        'torch_export: a pickle': (('torch_export', {inputs: evil}), 'not a loadable'),
        'torch_export: weights': (('torch_export', {inputs: nested}), 'not a loadable'),
    }


@pytest.fixture(scope='module')
def sentinel(tmp_path_factory) -> pathlib.Path:
    """Return a file that is there once one of the commands here has run."""
    return tmp_path_factory.mktemp('sentinel') / 'executed'


@pytest.fixture(scope='module')
def refusals(make, loading_says, sentinel):
    """Return what loading each of them says; all in one process."""
    found = hostile(sentinel)
    said = loading_says([make(*made) for made, _ in found.values()])
    return dict(zip(found, said, strict=True))


@pytest.mark.torch
@pytest.mark.parametrize('name', hostile(pathlib.Path('unused')))
def test_where_torch_is_nothing_is_run_or_unpacked_either(name, refusals, sentinel):
    """``torch.export.load()`` by itself would run the pickle."""
    (backend, *_), words = hostile(sentinel)[name]
    assert re.search(words, refusals[name]), refusals[name]
    assert f'/{FORMATS[backend]}: ' in refusals[name]
    assert not sentinel.exists()


@pytest.mark.parametrize('backend', FORMATS)
def test_without_torch_an_archive_is_not_opened(backend, tmp_path, monkeypatch, sentinel):
    monkeypatch.delenv('FOURNEX_TORCH_PYTHON', raising=False)
    evil = pickle.dumps(Command(f'touch {sentinel}'), 2)
    data = zipped({'a/data.pkl': evil, 'bomb': bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    file = FORMATS[backend]
    made = bundle(tmp_path / 'bundle', data, contract(backend, file, 'stateless'), file)
    with pytest.raises(FournexError, match='torch'):
        load_backend(made)
    assert not sentinel.exists()
