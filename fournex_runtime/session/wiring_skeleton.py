"""
A wiring to be filled in: every term that a contract wants wired, with the usual topic for each.

Topics and types are those that most robots have; the doctor finds out whether this one has them.
What would hurt the robot when it is wrong, the limits, is left empty: a wiring with an empty value
is refused with its line.
"""

from __future__ import annotations

import re

import yaml

from ..policy.contract import Contract, Term
from ..policy.installed_terms import installed_term, is_custom, observation_kind
from ..safety.limits import ORIENTATION, has_quaternion

_JOINTS = ('joint_states', 'sensor_msgs/msg/JointState')
_ODOMETRY = ('odom', 'nav_msgs/msg/Odometry')
_IMU = ('imu', 'sensor_msgs/msg/Imu')
_POSE = 'geometry_msgs/msg/PoseStamped'
_ARRAY = 'std_msgs/msg/Float64MultiArray'
_SOURCES = {
    'joint_position': _JOINTS,
    'joint_velocity': _JOINTS,
    'joint_effort': _JOINTS,
    'base_linear_velocity': _ODOMETRY,
    'base_angular_velocity': _IMU,
    'base_height': _ODOMETRY,
    'projected_gravity': _IMU,
    'orientation': _IMU,
    'velocity_command': ('cmd_vel', 'geometry_msgs/msg/Twist'),
    'goal': ('goal_pose', _POSE),
    'base': _ODOMETRY,
    'target_pose': ('target_pose', _POSE),
    'range_scan': ('scan', 'sensor_msgs/msg/LaserScan'),
    'range': ('range', 'sensor_msgs/msg/Range'),
    'height_scan': ('points', 'sensor_msgs/msg/PointCloud2'),
    'image': ('camera/image_raw', 'sensor_msgs/msg/Image'),
}
"""The usual topic and type by kind of term, or by port of a kind that has several."""
_COMMANDS = {
    'joint_position_target': ('forward_position_controller/commands', _ARRAY, 'hold'),
    'joint_velocity_target': ('forward_velocity_controller/commands', _ARRAY, 'zero'),
    'joint_effort_target': ('forward_effort_controller/commands', _ARRAY, 'zero'),
    'joint_stiffness': ('stiffness_controller/commands', _ARRAY, 'hold'),
    'joint_damping': ('damping_controller/commands', _ARRAY, 'hold'),
    'twist': ('cmd_vel', 'geometry_msgs/msg/Twist', 'zero'),
    'pose_target': ('target_pose', 'geometry_msgs/msg/Pose', 'hold'),
    'value': ('commands', _ARRAY, ''),
}
"""The usual topic, type and stop command by kind of command."""
_ASKED = frozenset(('velocity_command', 'target_pose', 'value'))
"""Kinds whose messages come from people or other nodes, in their own time."""
_PERIODS = 3


def wiring_skeleton(contract: Contract, policy: str) -> str:
    """
    Return the text of a wiring to be filled in.

    :param contract: what the policy wants.
    :param policy: how the wiring is to name its bundle: a folder, or ``name@version``.
    """
    session = re.sub(r'\W', '_', contract.name, flags=re.ASCII)
    if not session[0].isalpha():
        session = f'policy_{session}'
    lines = [
        f'# Wiring of {contract.reference}, to be filled in: topics, types and budgets are the',
        '# usual ones, so compare them with your robot; what is empty only you can say.',
        '# Then: fournex doctor THIS_FILE. Every key is explained in docs/wiring.md.',
        'robot: my-robot',
        'sessions:',
        f'  {session}:',
        f'    policy: {_quoted(policy)}',
        '    inputs:',
    ]
    for term in contract.observation_terms:
        lines.extend(_input(term, contract.period_ns))
    lines.append('    outputs:')
    for term in contract.action_terms:
        lines.extend(_output(term))
    lines.append('    limits:   # nothing outside these is ever published; rate is per second')
    for term in contract.action_terms:
        unit = f'   # in {term.unit}' if term.unit else ''
        lines.append(f'      {_quoted(term.name)}:{unit}')
        lines.extend(['        all:', *(f'          {key}:' for key in ('min', 'max', 'rate'))])
        if has_quaternion(term.command, term.size):
            lines.extend([f'        {ORIENTATION}:   # in rad/s', '          rate:'])
    if contract.start_pose:
        lines.append('    # how far a joint may be from the start pose when the session begins')
        lines.append('    start: {tolerance: 0.2}')
    lines.extend(
        ['    reactions:', '      default: stop', '      stale: hold 100 ms then stop', '']
    )
    return '\n'.join(lines)


def _input(term: Term, period_ns: int) -> list[str]:
    ports = observation_kind(term.kind).ports
    if not ports:
        return []
    name = _quoted(term.name)
    if ports != ('',):
        return [
            f'      {name}:',
            *(f'        {port}: {{{_source(term, port, period_ns)}}}' for port in ports),
        ]
    return [f'      {name}: {{{_source(term, term.kind, period_ns)}}}']


def _source(term: Term, key: str, period_ns: int) -> str:
    topic, kind = _SOURCES.get(key, (re.sub(r'\W', '_', term.name), _ARRAY))
    if is_custom(term.kind):
        types = installed_term(term.kind).term.message_types
        kind = types.get('' if key == term.kind else key, (kind,))[0]
    budget = '1 s' if key in _ASKED or key == 'goal' else f'{_PERIODS * period_ns / 1e6:g} ms'
    return f'topic: {topic}, type: {kind}, budget: {budget}'


def _output(term: Term) -> list[str]:
    topic, kind, stop = _COMMANDS[term.command]
    lines = [f'      {_quoted(term.name)}:', f'        topic: {topic}', f'        type: {kind}']
    if term.joints and kind == _ARRAY:
        listed = yaml.safe_dump(list(term.joints), default_flow_style=True, width=10_000).strip()
        lines.append('        # in the order of the array, which is that of the controller')
        lines.append(f'        joints: {listed}')
    lines.append(f'        stop: {stop}'.rstrip())
    return lines


def _quoted(text: str) -> str:
    """Return a text as YAML writes it."""
    dumped: str = yaml.safe_dump(text, width=10_000)
    return dumped.splitlines()[0]
