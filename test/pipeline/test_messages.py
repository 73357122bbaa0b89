"""CDR without ROS: bytes to objects and back, field paths, and what is refused."""

import struct

import numpy as np
import pytest
from ros_messages import ARRAY, ODOMETRY, cdr, joint_state

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import Messages, messages

JOINT_STATE = 'sensor_msgs/msg/JointState'


def big_endian_float64_array(values):
    body = struct.pack('>III', 0, 0, len(values)) + struct.pack(f'>{len(values)}d', *values)
    padded = struct.pack('>III', 0, 0, len(values)) + b'\0' * 4
    return b'\0\0\0\0' + padded + body[12:]


def test_round_trip():
    data = joint_state(['a', 'b'], [1.0, -2.0], 5_000_000_007)
    message = messages().decode(data, JOINT_STATE)
    assert (message.name, message.position.tolist()) == (['a', 'b'], [1.0, -2.0])
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    assert messages().encode(message, JOINT_STATE) == data


def test_floats_keep_their_bits():
    payload = np.array([0x7FF8_0000_DEAD_BEEF, 0xFFF0_0000_0000_0001, 1], np.uint64)
    decoded = messages().decode(cdr(ARRAY, data=payload.view(np.float64)), ARRAY)
    assert decoded.data.tobytes() == payload.tobytes()


def test_big_endian_bytes_give_the_same_numbers():
    decoded = messages().decode(big_endian_float64_array([1.5, -2.0]), ARRAY)
    assert np.asarray(decoded.data, np.float64).tolist() == [1.5, -2.0]


def test_bytes_after_the_end_are_ignored_and_arrays_cannot_be_written():
    message = messages().decode(joint_state(['a'], [1.0]) + b'rest', JOINT_STATE)
    assert message.position.tolist() == [1.0]
    with pytest.raises(ValueError, match='read-only'):
        message.position[0] = 2.0


@pytest.mark.parametrize('kind', [JOINT_STATE, ODOMETRY, ARRAY, 'sensor_msgs/msg/LaserScan'])
def test_whatever_is_cut_off_is_refused(kind):
    data = joint_state(['a'], [1.0]) if kind == JOINT_STATE else cdr(kind)
    for length in range(len(data)):
        with pytest.raises(MessageError, match=f'^{length} bytes are not a {kind}'):
            messages().decode(data[:length], kind)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\x00\x06\x00\x00' + b'\0' * 64,  # XCDR2
        b'\x00\x01\x00\x00' + b'\xff' * 64,  # absurd lengths
        joint_state(['a'], [1.0]).replace(b'\x02\0\0\0a\0', b'\x02\0\0\0\xff\0'),  # not UTF-8
    ],
)
def test_what_is_no_message(data):
    with pytest.raises(MessageError, match=f'{len(data)} bytes are not a {JOINT_STATE}'):
        messages().decode(data, JOINT_STATE)


def test_types_are_found_as_msg_files_of_the_environment(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'our_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'Inner.msg').write_text('float32 value\n')
    (folder / 'Outer.msg').write_text('std_msgs/Header header\nour_msgs/Inner[] parts\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    types = Messages()
    inner = types.type('our_msgs/msg/Outer'), types.type('our_msgs/msg/Inner')
    assert all(inner) and types.has_header('our_msgs/msg/Outer')
    with pytest.raises(MessageError, match=r'no other_msgs/msg/X\.msg in AMENT_PREFIX_PATH'):
        types.ensure('other_msgs/msg/X')
    with pytest.raises(MessageError, match='write it as package/msg/Name'):
        types.ensure('JointState')
