"""Every number of every common message can be commanded and read again by its path."""

import itertools

import numpy as np
import pytest

from fournex_runtime.pipeline.field_commands import Template
from fournex_runtime.pipeline.field_path import NUMBERS, field_getter, field_path
from fournex_runtime.pipeline.message_layout import HEAD, message_layout
from fournex_runtime.pipeline.message_types import common_interfaces
from fournex_runtime.pipeline.messages import messages

DEPTH = 5


def paths(kind, prefix='', depth=0):
    """Yield the path of every field that is made of numbers; the second element of sequences."""
    messages().ensure(kind)
    for name, (node, detail) in messages().typestore.fielddefs[kind][1]:
        many, length = int(node) > 2, 0
        if many:
            (node, detail), length = detail[0], detail[1]
        path = f'{prefix}{name}'
        if int(node) == 1:
            if detail[0] in NUMBERS:
                yield path
                if many and length != 1:
                    yield f'{path}[1]'
        elif depth < DEPTH:
            step = f'{path}[{0 if length == 1 else 1}].' if many else f'{path}.'
            yield from paths(detail, step, depth + 1)


def value_for(path):
    """Return a value that the field holds, and that is not what it holds by itself."""
    one = True if path.dtype == 'bool' else 3
    if not path.many:
        return float(one) if path.dtype.startswith('float') else one
    return np.full(path.length or path.bound or 2, one, path.dtype)


KINDS = sorted(
    kind
    for kind in common_interfaces().fielddefs
    if kind.split('/')[0].endswith('_msgs') and kind.split('/')[0] != 'fournex_msgs'
)


@pytest.mark.parametrize('package', sorted({kind.split('/')[0] for kind in KINDS}))
def test_what_is_put_at_a_path_is_found_there(package):
    for kind in KINDS:
        if kind.split('/')[0] != package:
            continue
        for path in paths(kind):
            if path.startswith('header.') and messages().has_header(kind):
                continue  # the runtime's
            checked = field_path(messages(), kind, path).numbers()
            template = Template(kind, messages())
            value = value_for(checked)
            template.place(path)(value)
            data = messages().encode(template.message, kind)
            found = field_getter(path)(messages().decode(data, kind))
            assert np.array_equal(found, value), (kind, path)
            layout = message_layout(messages(), kind, data)
            if layout is not None:
                assert read_at(layout, data, path, checked.many) == np.atleast_1d(value).tolist()


def read_at(layout, data, path, many):
    """Return the numbers of a field from where its layout says that they are."""
    found = []
    for index in itertools.count() if many else (None,):
        where = layout.place(path, index)
        if where is None:
            break
        dtype, place = where
        body = data[HEAD:]
        found.append(np.frombuffer(body, dtype, len(body) // np.dtype(dtype).itemsize)[place])
    return found


@pytest.mark.parametrize('kind', ['sensor_msgs/msg/Imu', 'nav_msgs/msg/Odometry'])
def test_a_message_of_fixed_length_has_a_layout_which_its_frame_and_its_size_decide(kind):
    message = messages().zero(kind)
    message.header.frame_id = 'base'
    data = messages().encode(message, kind)
    layout = message_layout(messages(), kind, data)
    assert layout.fits(data)
    message.header.stamp.sec = 5
    assert layout.fits(messages().encode(message, kind))
    message.header.frame_id = 'bass'
    assert not layout.fits(messages().encode(message, kind))
    assert not layout.fits(data[:-1]) and not layout.fits(data + b'\0')
    assert not layout.fits(b'\0\0' + data[2:]), 'it would be big endian'
