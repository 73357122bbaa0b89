"""Bundles from strangers: each is refused before anything in it is run, followed or unpacked."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import struct
import tracemalloc

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save
from tiny_session import CONTRACT, WIRING, edited

from fournex_runtime.errors import (
    ArtifactError,
    BundleError,
    ContractError,
    WiringError,
)
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import load_bundle, seal_bundle
from fournex_runtime.session.wiring import load_wiring

ZEROS = '0' * 64
FILED = edited(
    CONTRACT, ('initial: zeros', f'initial: {{file: start.safetensors, sha256: {ZEROS}}}')
)
NORMALISED = edited(
    FILED,
    (
        'state:\n',
        'normalisation: {kind: mean_std, file: stats.safetensors, clip: 10, epsilon: 1e-8, '
        f"sha256: '{ZEROS}'}}\nstate:\n",
    ),
)
SOUND = {
    'policy.onnx': b'weights',
    'stats.safetensors': save({'mean': np.zeros(6), 'var': np.ones(6)}),
    'start.safetensors': save({'h': np.ones((1, 2), np.float32)}),
}


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """Return the folder of a sound bundle with a file of each kind."""
    found = tmp_path / 'bundle'
    found.mkdir()
    (found / 'policy.yaml').write_text(NORMALISED)
    for name, data in SOUND.items():
        (found / name).write_bytes(data)
    assert seal_bundle(found).initial_state['h'].tolist() == [[1.0, 1.0]]
    return found


def refused(folder: pathlib.Path, *words: str) -> None:
    """Check that a bundle is refused in these words, sealed anew or not."""
    for read in (load_bundle, seal_bundle):
        with pytest.raises(BundleError) as caught:
            read(folder)
        for one in words:
            assert one in str(caught.value)


# --- what is no file of the bundle ---------------------------------------------------------------


@pytest.mark.parametrize('name', SOUND)
def test_a_link_out_of_the_bundle(folder, name):
    outside = folder.parent / 'outside'
    (folder / name).rename(outside)
    for target in (outside, pathlib.Path('../outside')):
        (folder / name).symlink_to(target)
        refused(folder, f'{folder / name}: ', f'found a link out of the folder, to {outside}')
        (folder / name).unlink()
    (folder / name).symlink_to('/dev/zero')
    refused(folder, f'{folder / name}: ', 'a link out of the folder, to /dev/zero')


def test_links_of_a_symlink_install_are_followed(folder):
    installed = folder.parent / 'installed'
    installed.mkdir()
    for file in folder.iterdir():
        (installed / file.name).symlink_to(file)
    assert load_bundle(installed).sha256 == load_bundle(folder).sha256
    (installed / 'policy.onnx').unlink()
    (installed / 'policy.onnx').symlink_to('/etc/hostname')
    refused(installed, 'policy.onnx: ', 'a link out of the folder')


def test_a_link_in_a_circle(folder):
    (folder / 'policy.onnx').unlink()
    (folder / 'policy.onnx').symlink_to('policy.onnx')
    with pytest.raises(BundleError, match=r'policy\.onnx: .*symbolic links'):
        load_bundle(folder)


def put_special(file: pathlib.Path, kind: str) -> None:
    """Put something in the place of a file that is none."""
    if kind == 'a named pipe':
        os.mkfifo(file)
    elif kind == 'a folder':
        file.mkdir()
    elif kind == 'a socket':
        here = os.getcwd()
        os.chdir(file.parent)  # its path may be too long for a socket
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(file.name)
        finally:
            os.chdir(here)
    else:
        try:
            os.mknod(file, 0o20666, os.makedev(1, 5))  # as /dev/zero
        except PermissionError:
            pytest.skip('makes no devices here')


@pytest.mark.timeout(20)
@pytest.mark.parametrize('kind', ['a named pipe', 'a folder', 'a socket', 'a character device'])
@pytest.mark.parametrize('name', SOUND)
def test_what_is_no_regular_file_is_not_opened(folder, name, kind):
    (folder / name).unlink()
    put_special(folder / name, kind)
    refused(folder, f'{folder / name}: expected a regular file, found {kind}')


@pytest.mark.timeout(20)
@pytest.mark.parametrize('kind', ['a named pipe', 'a character device'])
def test_a_contract_and_a_wiring_that_are_no_files(tmp_path, kind):
    put_special(tmp_path / 'policy.yaml', kind)
    with pytest.raises(BundleError, match=r'it has no policy\.yaml'):
        load_bundle(tmp_path)
    with pytest.raises(WiringError, match=f'expected a regular file, found {kind}'):
        load_wiring(tmp_path / 'policy.yaml')


def test_files_too_large_are_not_read(folder):
    os.truncate(folder / 'policy.onnx', 1 << 40)  # it takes no room: all of it is a hole
    refused(folder, 'policy.onnx: 1099511627776 bytes, expected at most 8589934592')
    os.truncate(folder / 'policy.yaml', 1 << 40)
    with pytest.raises(ContractError, match=r'policy\.yaml: 1099511627776 bytes'):
        load_bundle(folder)


# --- YAML ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'gadget',
    [
        '!!python/object/apply:os.system ["touch {}"]',
        '!!python/object/apply:subprocess.Popen [[touch, {}]]',
        '!!python/object/new:os.system ["touch {}"]',
        '!!python/object:os._wrap_close {{}}',
        '!!python/name:os.system',
        '!!python/module:os',
        '!!python/object/apply:builtins.slice [0, 1]',
        '!<tag:yaml.org,2002:python/object/apply:os.system> ["touch {}"]',
    ],
)
@pytest.mark.parametrize('place', ['description: {}', '? {}\n: 1', 'facts:\n  x: {}', 'x:\n- {}'])
def test_yaml_that_would_run_something(folder, tmp_path, gadget, place):
    sentinel = tmp_path / 'executed'
    line = place.format(gadget.format(sentinel)) + '\n'
    (folder / 'policy.yaml').write_text(NORMALISED + line)
    with pytest.raises(
        ContractError, match=r'policy\.yaml:\d+: the tag .*python.* is not allowed'
    ):
        load_bundle(folder)
    wiring = tmp_path / 'wiring.yaml'
    wiring.write_text(WIRING + line)
    with pytest.raises(WiringError, match=r'wiring\.yaml:\d+: the tag .*python.* is not allowed'):
        load_wiring(wiring)
    assert not sentinel.exists()


@pytest.mark.timeout(20)
def test_yaml_that_doubles_itself(folder):
    lines = [f'x{n}: &x{n} [{", ".join([f"*x{n - 1}"] * 9)}]\n' for n in range(1, 30)]
    (folder / 'policy.yaml').write_text('x0: &x0 [lol]\n' + ''.join(lines) + NORMALISED)
    with pytest.raises(ContractError, match=r'unknown key'):
        load_bundle(folder)


# --- safetensors ---------------------------------------------------------------------------------


def safetensors(header: object, data: bytes = b'', length: int | None = None) -> bytes:
    """Return a file with any header, and any length of it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text) if length is None else length) + text + data


def one(shape: list[int], begin: int, end: int, dtype: str = 'F64') -> dict:
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


HEADERS = {
    'a length of 2 ** 60': safetensors({}, length=1 << 60),
    'a length of 2 ** 64 - 1': safetensors({}, length=(1 << 64) - 1),
    'a length beyond the file': safetensors({}, length=1000),
    'a header of 100 MB': safetensors(b'{' + b' ' * 100_000_000 + b'}'),
    'no header': b'',
    'half a length': b'\0\0\0',
    'no JSON': safetensors(b'{"mean": '),
    'a list': safetensors([]),
    'deep nesting': safetensors(b'[' * 100_000),
    'overlapping': safetensors({'mean': one([6], 0, 48), 'var': one([6], 24, 72)}, bytes(72)),
    'twice the same': safetensors({'mean': one([6], 0, 48), 'var': one([6], 0, 48)}, bytes(48)),
    'a hole': safetensors({'mean': one([6], 0, 48), 'var': one([6], 56, 104)}, bytes(104)),
    'data left over': safetensors({'mean': one([6], 0, 48), 'var': one([6], 48, 96)}, bytes(200)),
    'beyond the file': safetensors({'mean': one([6], 0, 48), 'var': one([6], 48, 96)}, bytes(48)),
    'backwards': safetensors({'mean': one([6], 48, 0), 'var': one([6], 0, 48)}, bytes(48)),
    'negative': safetensors({'mean': one([6], -48, 0), 'var': one([6], 0, 48)}, bytes(48)),
    'a huge shape': safetensors({'mean': one([1 << 60], 0, 48)}, bytes(48)),
    'a shape that overflows': safetensors({'mean': one([1 << 33, 1 << 33], 0, 48)}, bytes(48)),
    'a huge shape of nothing': safetensors({'mean': one([0, 1 << 62], 0, 0)}),
    'a negative shape': safetensors({'mean': one([-6], 0, 48)}, bytes(48)),
    'many axes': safetensors({'mean': one([1] * 1000, 0, 8)}, bytes(8)),
    'another dtype': safetensors({'mean': one([6], 0, 48, 'O8')}, bytes(48)),
    'a dtype numpy lacks': safetensors({'mean': one([6], 0, 12, 'BF16')}, bytes(12)),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize('name', ['stats.safetensors', 'start.safetensors'])
@pytest.mark.parametrize('header', HEADERS)
def test_a_safetensors_header_that_lies(folder, header, name):
    (folder / name).write_bytes(HEADERS[header])
    size = len(HEADERS[header])
    tracemalloc.start()
    with pytest.raises(BundleError) as caught:
        seal_bundle(folder)
    assert tracemalloc.get_traced_memory()[1] < 2 * size + (4 << 20)
    tracemalloc.stop()
    assert str(caught.value).startswith(f'{folder / name}: ')
    assert len(str(caught.value)) < 1000


# --- ONNX ----------------------------------------------------------------------------------------


def onnx_with_numbers_in(location: str) -> bytes:
    """Return a model that has its weights in another file."""
    weights = numpy_helper.from_array(np.ones((6, 2), np.float32), 'W')
    weights.ClearField('raw_data')
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (('location', location), ('offset', '0'), ('length', '48')):
        weights.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node('MatMul', ['obs', 'W'], ['action'])],
        'policy',
        [helper.make_tensor_value_info('obs', TensorProto.FLOAT, [1, 6])],
        [helper.make_tensor_value_info('action', TensorProto.FLOAT, [1, 2])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return bytes(model.SerializeToString())


STATELESS = edited(
    CONTRACT,
    (
        'state:\n  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, '
        'reset: episode}\n',
        '',
    ),
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    'way', ['path', 'path upwards', 'symbolic link', 'hard link', 'in the bundle', '/proc']
)
def test_onnx_with_numbers_in_another_file(tmp_path, way, monkeypatch):
    """The other file is a pipe without a writer: whoever opened it would wait for ever."""
    bundle, secret = tmp_path / 'bundle', tmp_path / 'secret'
    bundle.mkdir()
    monkeypatch.chdir(bundle)  # where ONNX Runtime looks, given the bytes of a model
    os.mkfifo(secret)
    location = {'path': str(secret), 'path upwards': '../secret', '/proc': '/proc/self/environ'}
    if way == 'symbolic link':
        (bundle / 'weights.bin').symlink_to(secret)
    elif way == 'hard link':
        os.link(secret, bundle / 'weights.bin')
    elif way == 'in the bundle':
        os.mkfifo(bundle / 'weights.bin')
    model = onnx_with_numbers_in(location.get(way, 'weights.bin'))
    (bundle / 'policy.onnx').write_bytes(model)
    (bundle / 'policy.yaml').write_text(STATELESS)
    sealed = seal_bundle(bundle)
    with pytest.raises(ArtifactError) as caught:
        load_backend(sealed)
    assert f'{bundle / "policy.onnx"}: keeps numbers in other files' in str(caught.value)


def test_a_program_for_one_provider_is_no_onnx_model(tmp_path):
    node = helper.make_node(
        'EPContext',
        ['obs'],
        ['action'],
        domain='com.microsoft',
        embed_mode=0,
        ep_cache_context='../engine',
    )
    graph = helper.make_graph(
        [node],
        'policy',
        [helper.make_tensor_value_info('obs', TensorProto.FLOAT, [1, 6])],
        [helper.make_tensor_value_info('action', TensorProto.FLOAT, [1, 2])],
    )
    imports = [helper.make_opsetid('', 17), helper.make_opsetid('com.microsoft', 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    (tmp_path / 'policy.onnx').write_bytes(model.SerializeToString())
    (tmp_path / 'policy.yaml').write_text(STATELESS)
    with pytest.raises(ArtifactError, match=r'policy\.onnx: has a node EPContext'):
        load_backend(seal_bundle(tmp_path))
