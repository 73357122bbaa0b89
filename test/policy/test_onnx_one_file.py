"""A model with its numbers in a second file becomes one file; nothing else on the disk goes in."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.onnx_file import refusal
from fournex_runtime.policy.onnx_one_file import in_one_file


@pytest.fixture
def split(checkout, tmp_path) -> pathlib.Path:
    """Return the pendulum's model with its numbers in a second file, as exporters write it."""
    model = onnx.load(checkout / 'examples/pendulum/bundle/policy.onnx')
    file = tmp_path / 'policy.onnx'
    onnx.save_model(
        model, file, save_as_external_data=True, location='policy.onnx.data', size_threshold=0
    )
    assert (tmp_path / 'policy.onnx.data').stat().st_size > 10_000
    assert 'other files' in refusal(file.read_bytes())
    return file


def test_it_is_the_model_that_it_was(split, checkout):
    whole = in_one_file(split.read_bytes(), split)
    assert refusal(whole) == ''
    before = onnx.load(checkout / 'examples/pendulum/bundle/policy.onnx')
    assert onnx.load_model_from_string(whole) == before
    assert in_one_file(whole, split) == whole


def test_through_links_of_a_cache_too(split, tmp_path):
    """As a hub keeps what it has downloaded: names that lead to blobs in one folder."""
    cache = tmp_path / 'snapshot'
    cache.mkdir()
    for name in ('policy.onnx', 'policy.onnx.data'):
        (cache / name).symlink_to(tmp_path / name)
    linked = in_one_file((cache / 'policy.onnx').read_bytes(), cache / 'policy.onnx')
    assert linked == in_one_file(split.read_bytes(), split)


def relocated(file: pathlib.Path, **entries: str | None) -> bytes:
    """Return the model with other entries of where its first tensor is."""
    model = onnx.load(file, load_external_data=False)
    tensor = model.graph.initializer[0]
    assert tensor.data_location == TensorProto.EXTERNAL
    found = {one.key: one.value for one in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, value in found.items():
        if value is not None:
            tensor.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ('entries', 'words'),
    [
        ({'location': '/etc/hostname'}, "keeps numbers in '/etc/hostname'; expected the name of"),
        ({'location': '../policy.onnx.data'}, 'expected the name of a file beside it'),
        ({'location': 'a/policy.onnx.data'}, 'expected the name of a file beside it'),
        ({'location': '..'}, 'expected the name of a file beside it'),
        ({'location': ''}, 'expected the name of a file beside it'),
        ({'location': None}, 'expected the name of a file beside it'),
        ({'location': 'a\0b'}, 'expected the name of a file beside it'),
        ({'location': 'other.data'}, 'keeps numbers in other.data, which is not beside it'),
        ({'offset': '-1'}, "expected where numbers begin and end, found '-1'"),
        ({'offset': '1e3'}, "expected where numbers begin and end, found '1e3'"),
        ({'offset': '1000000'}, 'bytes at 1000000 of policy.onnx.data, which has'),
        ({'offset': '1000000', 'length': None}, 'expected where numbers begin and end'),
        ({'length': '9' * 18}, f'expects {"9" * 18} bytes at'),
        ({'length': '9' * 40}, 'expected where numbers begin and end'),
    ],
)
def test_numbers_that_are_not_there(split, entries, words):
    with pytest.raises(ArtifactError) as caught:
        in_one_file(relocated(split, **entries), split)
    assert str(split) in str(caught.value) and words in str(caught.value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ('way', 'words'),
    [
        ('symbolic link', 'found a link out of the folder'),
        ('hard link', r'has 2 names \(hard links\)'),
        ('pipe', 'found a named pipe'),
        ('device', 'found a link out of the folder, to /dev/zero'),
        ('nothing', 'which is not beside it'),
        ('empty', r'bytes at 0 of policy\.onnx\.data, which has 0'),
    ],
)
def test_a_second_file_that_is_none_of_it(split, tmp_path, way, words):
    data = split.with_name('policy.onnx.data')
    outside = tmp_path / 'outside'
    outside.mkdir()
    data.rename(outside / 'secret')
    if way == 'symbolic link':
        data.symlink_to(outside / 'secret')
    elif way == 'hard link':
        os.link(outside / 'secret', data)
    elif way == 'pipe':
        os.mkfifo(data)
    elif way == 'device':
        data.symlink_to('/dev/zero')
    elif way == 'empty':
        data.touch()
    with pytest.raises(ArtifactError, match=words):
        in_one_file(split.read_bytes(), split)


@pytest.mark.parametrize('part', [0.3, 0.7, 0.999])
def test_a_model_that_ends_early(split, part):
    data = split.read_bytes()
    with pytest.raises(
        ArtifactError, match=r'policy\.onnx: not a whole ONNX model: it is cut off'
    ):
        in_one_file(data[: int(len(data) * part)], split)


def test_graphs_in_graphs_without_end(tmp_path):
    graph = b''
    for _ in range(3000):
        attribute = bytes([0x32]) + _length(len(graph)) + graph
        node = bytes([0x2A]) + _length(len(attribute)) + attribute
        graph = bytes([0x0A]) + _length(len(node)) + node
    model = bytes([0x3A]) + _length(len(graph)) + graph
    with pytest.raises(ArtifactError, match='not a whole ONNX model'):
        in_one_file(model, tmp_path / 'policy.onnx')


def _length(size: int) -> bytes:
    found = bytearray()
    while size > 0x7F:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*found, size])


def test_numbers_of_every_kind_come_back(tmp_path):
    arrays = {
        'floats': np.linspace(-1.0, 1.0, 7, dtype=np.float32),
        'whole': np.arange(6, dtype=np.int64).reshape(2, 3),
        'doubles': np.array(2.5),
    }
    tensors = [onnx.numpy_helper.from_array(one, name) for name, one in arrays.items()]
    nodes = [onnx.helper.make_node('Constant', [], ['c'], value=tensors.pop())]
    graph = onnx.helper.make_graph(nodes, 'policy', [], [], tensors)
    model = onnx.helper.make_model(graph)
    file = tmp_path / 'policy.onnx'
    onnx.save_model(
        model, file, save_as_external_data=True, size_threshold=0, convert_attribute=True
    )
    whole = onnx.load_model_from_string(in_one_file(file.read_bytes(), file))
    kept = {one.name: onnx.numpy_helper.to_array(one) for one in whole.graph.initializer}
    constant = onnx.numpy_helper.to_array(whole.graph.node[0].attribute[0].t)
    assert kept['floats'].tobytes() == arrays['floats'].tobytes()
    assert kept['whole'].tolist() == arrays['whole'].tolist()
    assert constant == 2.5
