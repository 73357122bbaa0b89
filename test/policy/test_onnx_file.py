"""A model whose numbers lie in other files is refused: no hash covers them."""

import shutil

import pytest
from tiny_session import edited

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.policy.onnx_file import refusal


def varint(value):
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number, content):
    """Return a protobuf field: a number as varint, bytes as they are."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


ENTRY = field(1, b'location') + field(2, b'/etc/hostname')
INNER = field(1, 4) + field(2, 1) + field(8, b'W') + field(9, b'\0' * 16)
OUTSIDE = field(1, 4) + field(2, 1) + field(8, b'W') + field(13, ENTRY) + field(14, 1)
ONLY_LOCATION = field(8, b'W') + field(14, 1)
ONLY_ENTRY = field(8, b'W') + field(13, ENTRY)


def places(tensor):
    """Return models with a tensor in every place where ONNX allows one."""
    attribute = field(5, tensor)
    node = field(5, attribute)
    body = field(5, field(6, field(1, node)))
    return {
        'initializer': field(7, field(5, tensor)),
        'sparse values': field(7, field(15, field(1, tensor))),
        'sparse indices': field(7, field(15, field(2, tensor))),
        'constant': field(7, field(1, node)),
        'list of tensors': field(7, field(1, field(5, field(10, tensor)))),
        'sparse constant': field(7, field(1, field(5, field(22, field(1, tensor))))),
        'body of a loop': field(7, field(1, body)),
        'one of several bodies': field(7, field(1, field(5, field(11, field(5, tensor))))),
        'function': field(25, field(7, node)),
        'default of a function': field(25, field(11, attribute)),
        'training': field(20, field(1, field(5, tensor))),
    }


@pytest.mark.parametrize('place', places(b''))
def test_such_a_tensor_is_found_wherever_it_is(place):
    head = field(1, 8) + field(2, b'producer')
    assert not refusal(head + places(INNER)[place])
    for tensor in (OUTSIDE, ONLY_LOCATION, ONLY_ENTRY):
        assert refusal(head + places(tensor)[place]).startswith('keeps numbers in other files')


@pytest.mark.parametrize('where', ['graph', 'body of a loop', 'function'])
def test_what_a_provider_compiled_is_no_model(where):
    node = field(1, b'obs') + field(4, b'EPContext') + field(7, b'com.microsoft')
    loop = field(5, field(6, field(1, node)))
    model = {
        'graph': field(7, field(1, node)),
        'body of a loop': field(7, field(1, loop)),
        'function': field(25, field(7, node)),
    }
    assert refusal(model[where]).startswith('has a node EPContext')


@pytest.mark.parametrize('data', [b'weights', b'\x3a', b'\x3a\xff\xff\xff\x7f', b'\xff' * 20])
def test_what_is_no_protobuf(data):
    with pytest.raises(ValueError, match='cut off|wire type|too long'):
        refusal(data)


def test_the_backend_refuses_it_before_any_file_is_opened(checkout, tmp_path):
    source = checkout / 'examples/pendulum/bundle'
    data = (source / 'policy.onnx').read_bytes()
    assert not refusal(data)
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    text = (source / 'policy.yaml').read_text()
    (tmp_path / 'policy.yaml').write_text(edited(text, ('version: 1', 'version: 2')))
    # protobuf messages that follow each other are merged: one tensor more in the graph
    (tmp_path / 'policy.onnx').write_bytes(data + places(OUTSIDE)['initializer'])
    with pytest.raises(ArtifactError, match='keeps numbers in other files, which no hash covers'):
        load_backend(seal_bundle(tmp_path))
