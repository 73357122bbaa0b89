"""
What the peers of the bench are to do: the messages that come, the network, the rate.

Each workload is a policy bundle and a wiring for Fournex; the other peers run the same ONNX file
on the same topics.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fournex_runtime.pipeline.messages import messages

JOINTS = tuple(f'joint_{number}' for number in range(12))
AS_PUBLISHED = tuple(f'joint_{number}' for number in (3, 1, 2, 0, 7, 5, 6, 4, 11, 9, 10, 8))
"""The robot's order of its joints is not the policy's."""
JOINT_STATE, POSE = 'sensor_msgs/msg/JointState', 'geometry_msgs/msg/PoseStamped'
SCAN, IMAGE = 'sensor_msgs/msg/LaserScan', 'sensor_msgs/msg/Image'
BEAMS, SECTORS = 1080, 36
WIDTH, HEIGHT, SIDE, LEFT = 640, 480, 96, 80
OBSERVED = {'arm': 51, 'scan': 38}


@dataclasses.dataclass(frozen=True)
class Workload:
    """
    One workload.

    :param name: its name.
    :param kind: ``arm``, ``scan`` or ``camera``.
    :param rate_hz: of the control loop.
    :param robots: how many of them one runtime hosts.
    """

    name: str
    kind: str
    rate_hz: int
    robots: int = 1

    @property
    def period_ns(self) -> int:
        """Return the control period."""
        return 1_000_000_000 // self.rate_hz

    def prefix(self, number: int) -> str:
        """Return what the topics of a robot begin with."""
        return f'r{number}/' if self.robots > 1 else ''


WORKLOADS = {
    one.name: one
    for one in (
        *(Workload(f'arm_{rate}', 'arm', rate) for rate in (50, 200, 500, 1000)),
        Workload('scan_50', 'scan', 50),
        Workload('camera_30', 'camera', 30),
        Workload('arms_8', 'arm', 50, 8),
        Workload('arms_64', 'arm', 50, 64),
    )
}

_ARM_CONTRACT = """
inputs:
  obs:
    - {{term: joint_position, joints: [{joints}], unit: rad}}
    - {{term: joint_velocity, joints: same, unit: rad/s, scale: 0.05}}
    - {{term: joint_effort, joints: same, unit: Nm, scale: 0.1}}
    - {{term: target_pose, layout: position, frame: base, unit: m}}
    - {{term: last_action, of: raw}}
outputs:
  action:
    - {{term: joint_position_target, joints: same, unit: rad, clip: [-1.0, 1.0], scale: 0.5}}
"""
_SCAN_CONTRACT = """
inputs:
  obs:
    - {{term: range_scan, unit: m, sectors: 36, angle_min: -2.7, angle_max: 2.7, range_max: 6.0}}
    - {{term: last_action, of: raw}}
outputs:
  action:
    - {{term: twist, axes: [linear_x, angular_z], clip: [-1.0, 1.0], scale: 0.5}}
"""
_CAMERA_CONTRACT = """
inputs:
  obs:
    dtype: uint8
    terms:
      - {{term: image, height: 96, width: 96, channels: rgb, layout: chw, range: 0-255,
         resize: nearest, crop: [0, 80, 480, 480]}}
outputs:
  action:
    - {{term: twist, axes: [linear_x, angular_z], clip: [-1.0, 1.0], scale: 0.5}}
"""
_CONTRACTS = {'arm': _ARM_CONTRACT, 'scan': _SCAN_CONTRACT, 'camera': _CAMERA_CONTRACT}

_ARM_WIRING = """\
  {name}:
    policy: bundle
    inputs:
      joint_position: {{topic: {p}joint_states, type: sensor_msgs/msg/JointState, budget: 200 ms}}
      joint_velocity: {{topic: {p}joint_states, type: sensor_msgs/msg/JointState, budget: 200 ms}}
      joint_effort: {{topic: {p}joint_states, type: sensor_msgs/msg/JointState, budget: 200 ms}}
      target_pose: {{topic: {p}target, type: geometry_msgs/msg/PoseStamped, budget: 2 s}}
    outputs:
      joint_position_target:
        topic: {p}commands
        type: std_msgs/msg/Float64MultiArray
        joints: [{published}]
        stop: hold
    limits:
      joint_position_target: {{all: {{min: -1.0, max: 1.0, rate: 1000.0}}}}
    reactions: {{default: hold 2 s then stop}}
"""
_ROVER_WIRING = """\
  {name}:
    policy: bundle
    inputs:
      {term}: {{topic: {p}{topic}, type: {type}, budget: 500 ms}}
    outputs:
      twist: {{topic: {p}commands, type: geometry_msgs/msg/Twist, stop: zero}}
    limits:
      twist: {{all: {{min: -1.0, max: 1.0, rate: 1000.0}}}}
    reactions: {{default: hold 2 s then stop}}
"""


def write_workload(
    workload: Workload,
    folder: pathlib.Path,
    isolation: str = 'inline',
    priority: int = 0,
    spin_us: int = 0,
    batch: bool = True,
) -> pathlib.Path:
    """
    Write the bundle and the wiring of a workload.

    :param isolation: where Fournex asks the network: ``inline`` or in a ``process`` of its own.
    :param priority: of ``SCHED_FIFO`` that Fournex's loop asks for; 0 for none.
    :param spin_us: the last part of each wait that Fournex's loop spends awake.
    :param batch: whether robots are asked for together.
    :returns: the wiring; the network lies in ``bundle/policy.onnx`` beside it.
    """
    bundle = folder / 'bundle'
    bundle.mkdir(parents=True)
    model = _network(workload.kind, 'batch' if workload.robots > 1 else 1)
    (bundle / 'policy.onnx').write_bytes(model)
    contract = _CONTRACTS[workload.kind].format(joints=', '.join(JOINTS))
    (bundle / 'policy.yaml').write_text(
        f'name: bench-{workload.kind}\nversion: 1\nperiod: {workload.period_ns / 1e6:.9g} ms\n'
        f'{contract}artifact: {{file: policy.onnx, sha256: {hashlib.sha256(model).hexdigest()}, '
        'backend: onnx}\n'
    )
    together = str(batch).lower()
    inference = f'    inference: {{isolation: {isolation}, batch: {together}}}\n'
    sessions = [_session(workload, number) + inference for number in range(workload.robots)]
    wiring = folder / 'wiring.yaml'
    manners = ['on_refusal: refuse', 'on_overload: report']
    if priority:
        manners += [
            f'priority: {priority}', 'lock_memory: true', 'garbage_collector: between_ticks'
        ]  # fmt: skip
    if spin_us:
        manners.append(f'spin: {spin_us} us')
    realtime = f'realtime: {{{", ".join(manners)}}}\n'
    wiring.write_text(f'robot: bench\n{realtime}sessions:\n' + ''.join(sessions))
    return wiring


def _session(workload: Workload, number: int) -> str:
    name, prefix = f'session_{number}', workload.prefix(number)
    if workload.kind == 'arm':
        return _ARM_WIRING.format(name=name, p=prefix, published=', '.join(AS_PUBLISHED))
    term, topic, kind = {
        'scan': ('range_scan', 'scan', SCAN),
        'camera': ('image', 'image', IMAGE),
    }[workload.kind]
    return _ROVER_WIRING.format(name=name, p=prefix, term=term, topic=topic, type=kind)


# --- networks ------------------------------------------------------------------------------------


def _network(kind: str, batch: int | str) -> bytes:
    if kind == 'camera':
        return _camera_network()
    sizes = (OBSERVED[kind], 64, 64, 12 if kind == 'arm' else 2)
    random = np.random.default_rng(1)
    nodes, weights, name = [], [], 'obs'
    for layer, (width, following) in enumerate(zip(sizes, sizes[1:])):
        matrix = random.normal(scale=width**-0.5, size=(width, following)).astype(np.float32)
        weights += [
            numpy_helper.from_array(matrix, f'w{layer}'),
            numpy_helper.from_array(np.zeros(following, np.float32), f'b{layer}'),
        ]
        nodes.append(helper.make_node('Gemm', [name, f'w{layer}', f'b{layer}'], [f'g{layer}']))
        last = layer == len(sizes) - 2
        name = 'action' if last else f'a{layer}'
        nodes.append(helper.make_node('Tanh' if last else 'Elu', [f'g{layer}'], [name]))
    return _model(nodes, weights, TensorProto.FLOAT, [batch, sizes[0]], sizes[-1])


def _camera_network() -> bytes:
    random = np.random.default_rng(1)
    matrix = random.normal(scale=0.01, size=(3, 2)).astype(np.float32)
    nodes = [
        helper.make_node('Cast', ['obs'], ['pixels'], to=TensorProto.FLOAT),
        helper.make_node('GlobalAveragePool', ['pixels'], ['pooled']),
        helper.make_node('Flatten', ['pooled'], ['flat']),
        helper.make_node('MatMul', ['flat', 'w'], ['m']),
        helper.make_node('Tanh', ['m'], ['action']),
    ]
    weights = [numpy_helper.from_array(matrix, 'w')]
    return _model(nodes, weights, TensorProto.UINT8, [1, 3, SIDE, SIDE], 2)


def _model(
    nodes: Sequence[Any],
    weights: Sequence[Any],
    dtype: int,
    shape: list[int | str],
    actions: int,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        'bench',
        [helper.make_tensor_value_info('obs', dtype, shape)],
        [helper.make_tensor_value_info('action', TensorProto.FLOAT, [shape[0], actions])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return bytes(model.SerializeToString())


# --- messages ------------------------------------------------------------------------------------


def _header() -> Any:
    types = messages()
    stamp = types.type('builtin_interfaces/msg/Time')(sec=0, nanosec=0)
    return types.type('std_msgs/msg/Header')(stamp=stamp, frame_id='base')


def joint_state_bytes() -> bytes:
    """Return a ``JointState`` of twelve joints."""
    random = np.random.default_rng(2)
    message = messages().type(JOINT_STATE)(
        header=_header(),
        name=list(AS_PUBLISHED),
        position=random.normal(size=12),
        velocity=random.normal(size=12),
        effort=random.normal(size=12),
    )
    return messages().encode(message, JOINT_STATE)


def target_bytes() -> bytes:
    """Return a ``PoseStamped``."""
    types = messages()
    message = types.zero(POSE)
    message.header = _header()
    message.pose.position.x, message.pose.position.y, message.pose.position.z = 0.3, 0.2, 0.5
    message.pose.orientation.w = 1.0
    return types.encode(message, POSE)


def scan_bytes() -> bytes:
    """Return a ``LaserScan`` of 1080 beams."""
    random = np.random.default_rng(3)
    message = messages().type(SCAN)(
        header=_header(),
        angle_min=-2.7,
        angle_max=2.7,
        angle_increment=5.4 / (BEAMS - 1),
        time_increment=0.0,
        scan_time=0.02,
        range_min=0.05,
        range_max=10.0,
        ranges=random.uniform(0.5, 8.0, BEAMS).astype(np.float32),
        intensities=np.empty(0, np.float32),
    )
    return messages().encode(message, SCAN)


def image_bytes() -> bytes:
    """Return a colour ``Image`` of 640 by 480 pixels."""
    random = np.random.default_rng(4)
    message = messages().type(IMAGE)(
        header=_header(),
        height=HEIGHT,
        width=WIDTH,
        encoding='rgb8',
        is_bigendian=0,
        step=3 * WIDTH,
        data=random.integers(0, 256, 3 * WIDTH * HEIGHT, np.uint8),
    )
    return messages().encode(message, IMAGE)
