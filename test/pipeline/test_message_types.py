"""Message types are made when they are needed, and are those of the sourced environment."""

import pytest
from rosbags.typesys import Stores, get_typestore

from fournex_runtime.pipeline.messages import Messages

JAZZY = get_typestore(Stores.ROS2_JAZZY)


@pytest.mark.parametrize('package', sorted({kind.split('/')[0] for kind in JAZZY.fielddefs}))
def test_every_common_message_has_the_bytes_that_rosbags_gives_it(package, monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    types = Messages()
    for kind in JAZZY.fielddefs:
        if kind.split('/')[0] == package:
            message = types.zero(kind)
            data = bytes(JAZZY.serialize_cdr(message, kind))
            assert types.encode(message, kind) == data, kind
            assert types.encode(types.decode(data, kind), kind) == data, kind


def test_a_definition_of_the_environment_goes_before_that_of_jazzy(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'sensor_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'Imu.msg').write_text('std_msgs/Header header\nfloat32 of_another_ros\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    types = Messages()
    assert types.zero('sensor_msgs/msg/Imu').of_another_ros == 0.0
    assert types.zero('sensor_msgs/msg/Temperature').variance == 0.0


def test_a_message_without_fields_has_the_one_byte_that_ros_gives_it(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'our_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'Nothing.msg').write_text('# no field\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    types = Messages()
    assert types.encode(types.zero('our_msgs/msg/Nothing'), 'our_msgs/msg/Nothing') == bytes(
        JAZZY.serialize_cdr(JAZZY.types['std_msgs/msg/Empty'](0), 'std_msgs/msg/Empty')
    )
