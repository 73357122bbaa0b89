"""Joint states, whose names are read once: as the decoder of every type gives them."""

from __future__ import annotations

import numpy as np
import pytest

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import Messages

TYPE = 'sensor_msgs/msg/JointState'


def joint_state(types, names, sizes=(None, None, None), frame='base', start=1.0):
    """Return the bytes of a joint state whose numbers all differ."""
    counts = [len(names) if size is None else size for size in sizes]
    message = types.zero(TYPE)
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = -3, 999_999_999
    message.name = list(names)
    for field, count, offset in zip(('position', 'velocity', 'effort'), counts, (0, 100, 200)):
        setattr(message, field, np.arange(count) + start + offset)
    return types.encode(message, TYPE)


def same(found, expected):
    assert repr(found.header) == repr(expected.header)  # of two classes: each has its own types
    assert found.name == expected.name
    for field in ('position', 'velocity', 'effort'):
        mine, other = getattr(found, field), getattr(expected, field)
        assert mine.dtype == other.dtype
        assert mine.tolist() == other.tolist()


@pytest.mark.parametrize('frame', ['', 'a', 'base', 'longer'])
@pytest.mark.parametrize(
    'names', [[], ['a'], ['hip', 'knee_left', ''], ['x' * n for n in range(9)]]
)
@pytest.mark.parametrize('sizes', [(None,) * 3, (None, 0, 0), (0, None, 1), (3, 0, 2)])
def test_the_second_message_is_read_like_the_first(frame, names, sizes):
    types = Messages()
    for start in (1.0, 2.0, 3.0):
        data = joint_state(types, names, sizes, frame, start)
        found = types.decode(data, TYPE)
        same(found, Messages().decode(data, TYPE))
        assert types.encode(found, TYPE) == data


def test_other_joints_and_another_frame_are_noticed_at_once():
    types = Messages()
    for names, frame in ((['a', 'b'], ''), (['b', 'a'], ''), (['b', 'a'], 'f'), (['b'], 'f')):
        found = types.decode(joint_state(types, names, frame=frame), TYPE)
        assert (found.name, found.header.frame_id) == (names, frame)


def test_whatever_is_cut_off_is_refused_whether_or_not_its_names_are_known():
    known, fresh = Messages(), Messages
    data = joint_state(known, ['a', 'bcd'])
    known.decode(data, TYPE)
    for length in range(len(data)):
        with pytest.raises(MessageError, match='JointState'):
            known.decode(data[:length], TYPE)
        with pytest.raises(MessageError, match='JointState'):
            fresh().decode(data[:length], TYPE)
    same(known.decode(data + b'rest', TYPE), fresh().decode(data, TYPE))


def test_a_count_that_cannot_be_is_refused():
    types = Messages()
    data = bytearray(joint_state(types, ['a']))
    types.decode(bytes(data), TYPE)
    data[-12 - 8 - 12 : -12 - 8 - 8] = b'\xff\xff\xff\xff'
    with pytest.raises(MessageError, match='JointState'):
        types.decode(bytes(data), TYPE)
