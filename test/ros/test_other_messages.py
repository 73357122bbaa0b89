"""A robot with names, units and message types of its own, over real DDS, recorded and replayed."""

import math

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from robot_side import joint_state

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE, decode_tick

KGF = 9.80665


@pytest.fixture
def recorded_ticks(tmp_path):
    """Return a function that reads the tick records of the one bag."""

    def read():
        (bag,) = (tmp_path / 'runs').iterdir()
        with BagReader(bag) as reader:
            return bag, [
                decode_tick(messages().decode(one.data, TICK_TYPE))
                for one in reader.messages(['/fournex/pendulum/tick'])
            ]

    return read


def test_names_units_and_fields_of_the_robot(
    robot, runtime, wiring_file, tmp_path, recorded_ticks
):
    side = robot(rate_hz=100.0)
    side.state = lambda: joint_state((2.0, math.degrees(0.01)), ('hinge_x', 'hinge_y'))
    forces = []
    side.node.create_subscription(WrenchStamped, 'motor', forces.append, 100)
    file = wiring_file(
        ('    inputs:', '    joint_names: {cart: hinge_x, pole: hinge_y}\n    inputs:'),
        ('budget: 50 ms}', 'budget: 50 ms, unit: {cart: cm, pole: deg}}'),
        ('topic: effort_controller/commands', 'topic: motor'),
        (
            'type: std_msgs/msg/Float64MultiArray\n        joints: [cart]',
            'type: geometry_msgs/msg/WrenchStamped\n        fields: {cart: wrench.force.x}\n'
            '        set: {wrench.torque.z: 0.5}\n        unit: kgf\n        frame: cart',
        ),
    )
    process = runtime(file, record=tmp_path / 'runs')
    side.wait(lambda: len(forces) >= 25, 20.0, process.text)
    process.signal(2)
    assert process.wait(15) == 0, process.text()
    bag, ticks = recorded_ticks()
    acting = [one for one in ticks if one.observation]
    assert len(acting) >= 20
    for one in acting:
        seen = one.observation['obs'][0, :2]  # scaled by 2 and 10
        assert (
            seen.tolist()
            == np.array([0.02 * 2.0, math.radians(math.degrees(0.01)) * 10.0], 'f4').tolist()
        )
    pushed = {round(float(one.safe_action['joint_effort_target'][0]) / KGF, 12) for one in acting}
    heard = {round(one.wrench.force.x, 12) for one in forces[:-1] if one.wrench.force.x != 0.0}
    assert heard and heard <= pushed
    assert {(one.wrench.torque.z, one.header.frame_id) for one in forces} == {(0.5, 'cart')}
    (verification,) = verify(bag)
    assert verification.all_equal, verification
