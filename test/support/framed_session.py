"""The tiny session with a goal on the map and a base that is a frame."""

from tiny_session import WIRING, edited

CONTRACT = """\
name: tiny
version: 1
period: 20 ms
inputs: {obs: [{term: goal_relative, layout: xy}]}
state:
  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: episode}
outputs:
  action: [{term: joint_velocity_target, joints: [a, b]}]
artifact:
  file: policy.onnx
  sha256: '0000000000000000000000000000000000000000000000000000000000000000'
  backend: onnx
"""
FRAMED = edited(
    WIRING,
    (
        '      joint_position: {topic: joint_states, type: sensor_msgs/msg/JointState, '
        'budget: 50 ms}\n',
        '      goal_relative:\n'
        '        goal: {topic: goal, type: geometry_msgs/msg/PoseStamped, budget: forever}\n'
        '        base: {frame: base}\n',
    ),
    ('    reward: {', '    frames: {budget: 100 ms}\n    reward: {'),
)
