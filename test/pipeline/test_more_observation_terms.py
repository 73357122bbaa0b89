"""Orientation, goals in space, ranges, height scans, gait, clock, choices: by hand."""

import math

import numpy as np
import pytest
from both_ways import build_both_ways
from ros_messages import ARRAY, FLOAT64, IMU, ODOMETRY, POSE, cdr, header, pose

from fournex_runtime.errors import MessageError, WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.observation import LastAction, NonFinite, ObservationPipeline
from fournex_runtime.pipeline.ports import Port, Source
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.term_kinds import OBSERVATION_KINDS

RANGE, CLOUD = 'sensor_msgs/msg/Range', 'sensor_msgs/msg/PointCloud2'
NOTHING = LastAction(np.zeros(1), np.zeros(1))


class Input:
    """One input of one or more terms of one port each, or of one term of several."""

    def __init__(self, terms, *types, field='', prefix='', head=''):
        contract = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: {{dtype: float64, {head} terms: [{terms}]}}}}
outputs: {{action: [{{term: value, size: 1}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
        self.types = types
        sources = [Source(f'topic_{index}', kind) for index, kind in enumerate(types)]
        named = [
            (one.name, port)
            for one in contract.inputs['obs']
            for port in OBSERVATION_KINDS[one.kind].ports
        ]
        ports = [Port(term, port, index, field, (), 1) for index, (term, port) in enumerate(named)]
        self.pipeline = ObservationPipeline(contract, sources, ports, messages(), None, prefix)
        self.history = {}

    def __call__(self, *data, tick=0):
        found = build_both_ways(self.pipeline, self.types, data, NOTHING, self.history, tick)
        self.history = found.history
        return found.inputs['obs'].ravel().tolist()


def rotation(roll, pitch, yaw):
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return rz @ ry @ rx


def quaternion(roll, pitch, yaw):
    """Return x, y, z, w by half angles; an independent formula."""
    cr, sr, cp, sp, cy, sy = (f(a / 2) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )


ANGLES = (0.3, -0.8, 2.5)


def imu(q):
    return cdr(IMU, header=header(), orientation=dict(zip('xyzw', q)))


def posed(position=(0.0, 0.0, 0.0), q=(0.0, 0.0, 0.0, 1.0), frame='map'):
    return cdr(POSE, header=header(0, frame), pose=pose(position, q))


# --- orientation ---------------------------------------------------------------------------------


def test_orientation_in_every_layout():
    q, r = quaternion(*ANGLES), rotation(*ANGLES)
    expected = {
        'quaternion_xyzw': q,
        'quaternion_wxyz': (q[3], *q[:3]),
        'roll_pitch_yaw': ANGLES,
        'rotation_6d_columns': r[:, :2].T.ravel(),
        'rotation_6d_rows': r[:, :2].ravel(),
    }
    for layout, values in expected.items():
        for data, kind in ((imu(q), IMU), (posed(q=q), POSE)):
            found = Input(f'{{term: orientation, layout: {layout}}}', kind)(data)
            np.testing.assert_allclose(found, values, atol=1e-15)


def test_a_quaternion_can_be_given_one_sign():
    q = tuple(-value for value in quaternion(*ANGLES))
    plain = Input('{term: orientation, layout: quaternion_xyzw}', IMU)(imu(q))
    turned = Input('{term: orientation, layout: quaternion_xyzw, sign: w_positive}', IMU)(imu(q))
    assert turned[3] > 0 and turned == [-value for value in plain]


def test_straight_up_has_a_pitch_of_a_quarter():
    found = Input('{term: orientation, layout: roll_pitch_yaw}', IMU)(
        imu((0.0, math.sqrt(0.5), 0.0, math.sqrt(0.5)))
    )
    assert found[1] == pytest.approx(math.pi / 2, abs=1e-7)


def test_an_orientation_that_nobody_filled_in_is_refused():
    with pytest.raises(MessageError, match='the quaternion has squared norm 0, expected 1'):
        Input('{term: orientation, layout: roll_pitch_yaw}', IMU)(imu((0.0, 0.0, 0.0, 0.0)))
    with pytest.raises(NonFinite, match='orientation: not finite at'):
        Input('{term: orientation, layout: roll_pitch_yaw}', IMU)(imu((math.nan, 0.0, 0.0, 1.0)))


def test_base_height():
    assert Input('{term: base_height, relative_to: 0.5}', POSE)(posed((1.0, 2.0, 0.75))) == [0.25]
    odometry = cdr(ODOMETRY, header=header(), pose={'pose': pose((0.0, 0.0, 3.0))})
    assert Input('{term: base_height}', ODOMETRY)(odometry) == [3.0]


# --- goals in space ------------------------------------------------------------------------------

GOAL = '{term: goal_pose, layout: position+quaternion_xyzw, sign: w_positive}'


def test_a_goal_in_space_seen_from_the_base():
    base, goal = (1.0, -2.0, 0.5), (3.0, 1.0, -0.5)
    turned, wanted = (0.1, 0.4, -1.2), (-0.5, 0.2, 0.9)
    found = Input(GOAL, POSE, POSE)(
        posed(goal, quaternion(*wanted)), posed(base, quaternion(*turned))
    )
    r = rotation(*turned)
    np.testing.assert_allclose(found[:3], r.T @ np.subtract(goal, base), atol=1e-15)
    relative = r.T @ rotation(*wanted)
    x, y, z, w = found[3:]
    assert w > 0 and x * x + y * y + z * z + w * w == pytest.approx(1.0)
    angle = math.acos((np.trace(relative) - 1) / 2)
    axis = np.array([relative[2, 1] - relative[1, 2], relative[0, 2] - relative[2, 0],
                     relative[1, 0] - relative[0, 1]]) / (2 * math.sin(angle))  # fmt: skip
    np.testing.assert_allclose((x, y, z), axis * math.sin(angle / 2), atol=1e-12)


def test_goal_and_base_must_be_in_one_frame():
    with pytest.raises(MessageError, match="in frame 'odom', the base in 'map'"):
        Input(GOAL, POSE, POSE)(posed(frame='odom'), posed())


# --- ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('value', 'expected'), [(1.5, 1.5), (math.inf, 4.0), (-math.inf, 0.0), (9.0, 4.0)]
)
def test_a_range(value, expected):
    found = Input('{term: range, range_max: 4}', RANGE)(cdr(RANGE, header=header(), range=value))
    assert found == [expected]


def test_a_range_that_is_not_a_number_is_a_fault():
    with pytest.raises(NonFinite, match='range: not finite at range'):
        Input('{term: range, range_max: 4}', RANGE)(cdr(RANGE, range=math.nan))


def cloud(points, frame='base', dtype='<f4', padding=0, rows=1, names='xyz', **more):
    points = np.asarray(points, dtype).reshape(-1, 3)
    step = points.itemsize * 3 + 4
    body = b''.join(b'\0\0\0\0' + point.tobytes() for point in points)
    per_row = len(points) // rows
    size = per_row * step
    data = b''.join(body[row * size : (row + 1) * size] + b'\x7f' * padding for row in range(rows))
    kind = 7 if points.itemsize == 4 else 8
    message = {
        'header': header(0, frame), 'height': rows, 'width': per_row,
        'fields': [
            messages().type('sensor_msgs/msg/PointField')(
                name=name, offset=4 + index * points.itemsize, datatype=kind, count=1
            )
            for index, name in enumerate(names)
        ],
        'is_bigendian': dtype[0] == '>', 'point_step': step, 'row_step': size + padding,
        'data': np.frombuffer(data, np.uint8), **more,
    }  # fmt: skip
    return cdr(CLOUD, **message)


GRID = (
    'term: height_scan, size: [1.0, 0.5], resolution: 0.5, grid_order: {order}, reduce: {reduce}, '
    'fill: -9, frame: base'
)
POINTS = [
    (-0.5, -0.25, 1.0), (0.0, 0.25, 2.0), (0.24, 0.3, 3.0), (0.5, 0.25, 4.0),
    (0.8, 0.0, 50.0), (0.0, 0.6, 50.0), (math.nan, 0.0, 50.0), (0.0, 0.0, math.inf),
]  # fmt: skip


@pytest.mark.parametrize('variant', [{}, {'dtype': '>f8'}, {'rows': 2, 'padding': 7}])
@pytest.mark.parametrize(
    ('order', 'reduce', 'expected'),
    [
        ('x_fastest', 'max', [1, -9, -9, -9, 3, 4]),
        ('x_fastest', 'min', [1, -9, -9, -9, 2, 4]),
        ('y_fastest', 'max', [1, -9, -9, 3, -9, 4]),
    ],
)
def test_a_height_scan_by_hand(order, reduce, expected, variant):
    scan = Input('{' + GRID.format(order=order, reduce=reduce) + '}', CLOUD)
    assert scan(cloud(POINTS, **variant)) == expected


def test_an_empty_cloud_is_all_fill():
    scan = Input('{' + GRID.format(order='x_fastest', reduce='max') + '}', CLOUD)
    assert scan(cloud([])) == [-9.0] * 6


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (cloud(POINTS, frame='map'), "the cloud is in frame 'map', the contract wants 'r1/base'"),
        (cloud(POINTS, 'r1/base', names='xyi'), 'the cloud needs x, y and z as single FLOAT32 or'),
        (cloud(POINTS, 'r1/base', width=9), 'bytes are no cloud of 1 rows'),
        (cloud(POINTS, 'r1/base', height=2), 'bytes are no cloud of 2 rows'),
        (cloud(POINTS, 'r1/base', point_step=1, row_step=8, data=np.zeros(8, np.uint8)),
         'cannot be read'),
    ],
)  # fmt: skip
def test_clouds_that_do_not_fit(data, words):
    scan = Input('{' + GRID.format(order='x_fastest', reduce='max') + '}', CLOUD, prefix='r1/')
    with pytest.raises(MessageError) as caught:
        scan(data)
    assert words in str(caught.value)


# --- time ----------------------------------------------------------------------------------------


def test_the_phase_of_a_gait():
    offsets = '{{term: gait_phase, period: 40 ms, offsets: [0, 0.5], layout: {}}}'
    pairs, groups = (Input(offsets.format(one)) for one in ('interleaved', 'grouped'))
    assert pairs(tick=0) == [0.0, 1.0, 0.0, -1.0]
    assert pairs(tick=1) == [1.0, 0.0, -1.0, 0.0]
    assert groups(tick=1) == [1.0, -1.0, 0.0, 0.0]
    assert pairs(tick=1 + 4 * 10**9) == pairs(tick=1)  # nothing drifts in a long episode
    eighth = Input('{term: gait_phase, period: 80 ms, layout: grouped}')(tick=1)
    assert eighth == pytest.approx([math.sqrt(0.5)] * 2, abs=1e-15)


@pytest.mark.parametrize(
    ('of', 'expected'),
    [('tick', 150.0), ('seconds', 1.5), ('fraction, length: 2 s', 0.75),
     ('fraction, length: 1 s', 1.0)],
)  # fmt: skip
def test_the_clock_of_an_episode(of, expected):
    assert Input(f'{{term: clock, of: {of}}}')(tick=150) == [expected]


# --- values and dtypes ---------------------------------------------------------------------------


def test_a_choice_as_one_hot():
    choice = Input('{term: value, one_hot: 4}', FLOAT64, field='data')
    assert choice(cdr(FLOAT64, data=2.0)) == [0.0, 0.0, 1.0, 0.0]
    for bad in (4.0, -1.0, 1.5):
        with pytest.raises(MessageError, match='is none of the choices 0 to 3'):
            choice(cdr(FLOAT64, data=bad))
    with pytest.raises(NonFinite):
        choice(cdr(FLOAT64, data=math.nan))
    array = Input('{term: value, one_hot: 4}', ARRAY)
    with pytest.raises(MessageError, match='has 2 values, expected 1'):
        array(cdr(ARRAY, data=[1.0, 2.0]))


@pytest.mark.parametrize(
    ('dtype', 'good', 'bad'),
    [('uint8', [0.0, 255.0], [0.0, 256.0]), ('uint8', [1.0, 0.0], [-1.0, 0.0]),
     ('int64', [-3.0, 2.0**53], [0.5, 0.0]), ('int64', [1.0, 2.0], [1.0, 2.0**60])],
)  # fmt: skip
def test_whole_numbers_are_never_rounded_into(dtype, good, bad):
    mask = Input('{term: value, size: 2, name: action_mask}', ARRAY)
    contract = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: {{dtype: {dtype}, terms: [{{term: value, size: 2}}]}}}}
outputs: {{action: [{{term: value, size: 1}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
    ports = [Port('value', '', 0, '', (), 1)]
    pipeline = ObservationPipeline(contract, [Source('t', ARRAY)], ports, messages(), None)

    def build(values):
        return pipeline.build([messages().decode(cdr(ARRAY, data=values), ARRAY)], NOTHING, {})

    found = build(good).inputs['obs']
    assert found.dtype == dtype and found.tolist() == [good]
    with pytest.raises(MessageError, match=f'expected a whole number that {dtype} holds'):
        build(bad)
    assert mask(cdr(ARRAY, data=[1.0, 0.0])) == [1.0, 0.0]


# --- frames by time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('layout', 'order', 'expected'),
    [
        ('time', 'oldest_first', [1, 0, 2, 1, 3, 2]),
        ('time', 'newest_first', [3, 2, 2, 1, 1, 0]),
        ('term', 'oldest_first', [1, 2, 3, 0, 1, 2]),
        ('term', 'newest_first', [3, 2, 1, 2, 1, 0]),
    ],
)
def test_a_history_by_time_and_by_term(layout, order, expected):
    frames = Input(
        '{term: value, size: 1}, {term: clock, of: tick}',
        ARRAY,
        head=f'history: 3, history_layout: {layout}, order: {order},',
    )
    for tick in range(3):
        found = frames(cdr(ARRAY, data=[tick + 1.0]), tick=tick)
        if tick == 0:
            assert sorted(found) == [0.0] * 3 + [1.0] * 3
    assert found == expected


def test_statistics_must_be_there():
    contract = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: [{{term: value, size: 2}}]}}
outputs: {{action: [{{term: value, size: 1}}]}}
normalisation: {{kind: mean_std, file: s.st, sha256: '{'0' * 64}', clip: 5, epsilon: 1e-8}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
    parts = contract, [Source('t', ARRAY)], [Port('value', '', 0, '', (), 1)], messages()
    with pytest.raises(WiringError, match='expected mean and var of input obs from s.st, found'):
        ObservationPipeline(*parts, {})
    with pytest.raises(WiringError, match=r'mean has shape \[3\], the input obs has 2 values'):
        ObservationPipeline(*parts, {'obs': (np.zeros(3), np.ones(3))})
