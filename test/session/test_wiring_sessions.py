"""Several sessions in one wiring: what they may share and what they may not."""

from __future__ import annotations

import pytest

from fournex_runtime.errors import WiringError
from fournex_runtime.session.wiring import load_wiring


@pytest.fixture
def two(checkout, tmp_path):
    """Return a function that loads the pendulum twice, texts of the second replaced."""

    def load(*changes: tuple[str, str]):
        text = (checkout / 'examples/pendulum/wiring.yaml').read_text()
        text = text.replace('policy: bundle', f'policy: {checkout}/examples/pendulum/bundle')
        second = text[text.index('  pendulum:') :].replace('  pendulum:', '  twin:', 1)
        for old, new in changes:
            assert old in second
            second = second.replace(old, new)
        file = tmp_path / 'wiring.yaml'
        file.write_text(text + second)
        return load_wiring(file)

    return load


def test_two_sessions_may_read_one_topic(two):
    wiring = two(('effort_controller/commands', 'other/commands'))
    assert [session.name for session in wiring.sessions] == ['pendulum', 'twin']


def test_two_sessions_may_not_command_one_topic(two):
    with pytest.raises(WiringError, match='twin: effort_controller/commands is commanded by'):
        two()


def test_two_sessions_may_not_read_one_topic_as_two_types(two):
    with pytest.raises(WiringError, match='session pendulum has it as sensor_msgs/msg/JointState'):
        two(
            ('effort_controller/commands', 'other/commands'),
            (
                'type: sensor_msgs/msg/JointState',
                'type: std_msgs/msg/Float64MultiArray, joints: [cart, pole]',
            ),
        )
