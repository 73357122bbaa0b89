"""Each kind of observation term, from real CDR bytes, against numbers worked out by hand."""

import math
import pathlib

import numpy as np
import pytest
from both_ways import build_both_ways
from ros_messages import ARRAY, FLOAT64, IMU, ODOMETRY, POSE, SCAN, cdr, header, joint_state, pose

from fournex_runtime.errors import MessageError, WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.observation import LastAction, NonFinite, ObservationPipeline
from fournex_runtime.pipeline.ports import Port, Source
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.term_kinds import OBSERVATION_KINDS

JOINT_STATE = 'sensor_msgs/msg/JointState'
NAN, INF = math.nan, math.inf


class Term:
    """One observation term, wired to given message types."""

    def __init__(self, term, *types, field='', joints=(), prefix=''):
        contract = parse_contract(f"""\
name: t
version: 1
period: 10 ms
default_pose: {{a: 1.0, b: 2.0}}
inputs: {{obs: [{{{term}}}]}}
outputs: {{action: [{{term: value, size: 2}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
        self.types = types
        one = contract.inputs['obs'][0]
        sources = [Source(f'topic_{index}', kind) for index, kind in enumerate(types)]
        ports = [
            Port(one.name, name, index, field, tuple(joints), 1)
            for index, name in enumerate(OBSERVATION_KINDS[one.kind].ports)
        ]
        self.pipeline = ObservationPipeline(contract, sources, ports, messages(), None, prefix)
        self.history = self.pipeline.initial_history()

    def __call__(self, *data, last=((0.0, 0.0), (0.0, 0.0))):
        action = LastAction(np.array(last[0]), np.array(last[1]))
        found = build_both_ways(self.pipeline, self.types, data, action, self.history)
        self.history = found.history
        vector = found.inputs['obs']
        assert vector.dtype == np.float32 and vector.shape[0] == 1
        return vector[0].tolist()


def f32(*values):
    return [float(np.float32(value)) for value in values]


# --- joints --------------------------------------------------------------------------------------


def test_joints_are_found_by_name_in_whatever_order_they_come():
    term = Term('term: joint_position, joints: [a, b]', JOINT_STATE)
    assert term(joint_state(['a', 'b'], [1.0, 2.0])) == [1.0, 2.0]
    assert term(joint_state(['x', 'b', 'a'], [9.0, 2.0, 1.0])) == [1.0, 2.0]
    assert term(joint_state(['a', 'b'], [3.0, 4.0])) == [3.0, 4.0]


def test_velocity_and_effort_have_fields_of_their_own():
    state = joint_state(['b', 'a'], [1.0, 2.0], velocity=[3.0, 4.0], effort=[5.0, 6.0])
    assert Term('term: joint_velocity, joints: [a, b]', JOINT_STATE)(state) == [4.0, 3.0]
    assert Term('term: joint_effort, joints: [a]', JOINT_STATE)(state) == [6.0]


@pytest.mark.parametrize(
    ('state', 'words'),
    [
        (joint_state(['a', 'c'], [1.0, 2.0]), "the message has no joint 'b'; it has a, c."),
        (joint_state(['a', 'bb'], [1.0, 2.0]), 'Did you mean bb?'),
        (joint_state([], []), "the message has no joint 'a'; it has no names."),
        (joint_state(['a', 'b', 'a'], [1.0, 2.0, 3.0]), 'a joint name occurs twice'),
        (joint_state(['a', 'b'], [1.0]), 'field position has 1 values for 2 joints'),
        (joint_state(['a', 'b'], []), 'field position has 0 values for 2 joints'),
    ],
)
def test_a_joint_state_that_does_not_fit(state, words):
    term = Term('term: joint_position, joints: [a, b]', JOINT_STATE)
    for _ in range(2):  # what was learnt from one message does not excuse the next
        with pytest.raises(MessageError) as caught:
            term(state)
        assert words in str(caught.value)
        assert term(joint_state(['b', 'a'], [2.0, 1.0])) == [1.0, 2.0]


def test_a_nameless_array_is_read_by_the_wirings_joint_list():
    term = Term('term: joint_position, joints: [a, b]', ARRAY, joints=['b', 'x', 'a'])
    assert term(cdr(ARRAY, data=[2.0, 9.0, 1.0])) == [1.0, 2.0]
    with pytest.raises(MessageError, match='field data has 2 values for 3 joints'):
        term(cdr(ARRAY, data=[2.0, 9.0]))


def test_a_field_can_be_named():
    term = Term('term: joint_position, joints: [a, b]', JOINT_STATE, field='effort')
    state = joint_state(['a', 'b'], [0.0, 0.0], effort=[1.0, 2.0])
    assert term(state) == [1.0, 2.0]


# --- arithmetic ----------------------------------------------------------------------------------


def test_offset_then_clip_then_scale():
    term = Term(
        'term: joint_position, joints: [a, b], relative_to: default_pose, clip: [-1, 1], '
        'scale: [10, 100]',
        JOINT_STATE,
    )
    assert term(joint_state(['a', 'b'], [1.5, 9.0])) == [5.0, 100.0]
    assert term(joint_state(['a', 'b'], [-9.0, 1.75])) == [-10.0, -25.0]


def test_clip_does_not_hide_what_is_not_finite():
    term = Term('term: joint_position, joints: [a, b], clip: [-1, 1]', JOINT_STATE)
    for bad in (NAN, INF, -INF):
        with pytest.raises(NonFinite, match='joint_position: not finite at b'):
            term(joint_state(['a', 'b'], [0.0, bad]))


@pytest.mark.parametrize(('value', 'scale'), [(1e300, 1), (1e300, 1e300), (3.5e38, 1)])
def test_what_float32_cannot_hold_is_not_finite(value, scale):
    term = Term(f'term: joint_position, joints: [a], scale: {scale:.0f}', JOINT_STATE)
    with pytest.raises(NonFinite, match='obs: a value is too large for float32'):
        term(joint_state(['a'], [value]))


def test_history_begins_filled_and_moves_on():
    oldest = Term(
        'term: joint_position, joints: [a], history: 3, order: oldest_first', JOINT_STATE
    )
    newest = Term(
        'term: joint_position, joints: [a], history: 3, order: newest_first', JOINT_STATE
    )
    for value, expected in (
        (1.0, [1.0, 1.0, 1.0]),
        (2.0, [1.0, 1.0, 2.0]),
        (3.0, [1.0, 2.0, 3.0]),
    ):
        assert oldest(joint_state(['a'], [value])) == expected
        assert newest(joint_state(['a'], [value])) == expected[::-1]
    assert oldest(joint_state(['a'], [4.0])) == [2.0, 3.0, 4.0]


def test_history_keeps_terms_together_step_by_step():
    term = Term(
        'term: joint_position, joints: [a, b], scale: 2, history: 2, order: oldest_first',
        JOINT_STATE,
    )
    term(joint_state(['a', 'b'], [1.0, 2.0]))
    assert term(joint_state(['a', 'b'], [3.0, 4.0])) == [2.0, 4.0, 6.0, 8.0]


def test_last_action_raw_or_clipped():
    last = ((3.0, -0.5), (1.0, -0.5))
    assert Term('term: last_action')(last=last) == [3.0, -0.5]
    assert Term('term: last_action, of: clipped')(last=last) == [1.0, -0.5]


# --- velocities and orientation ------------------------------------------------------------------

TWIST = {'linear': {'x': 1.0, 'y': 2.0, 'z': 3.0}, 'angular': {'x': 4.0, 'y': 5.0, 'z': 6.0}}


@pytest.mark.parametrize(
    ('kind', 'data'),
    [
        ('geometry_msgs/msg/Twist', TWIST),
        ('geometry_msgs/msg/TwistStamped', {'twist': TWIST}),
        ('geometry_msgs/msg/TwistWithCovarianceStamped', {'twist': {'twist': TWIST}}),
        (ODOMETRY, {'twist': {'twist': TWIST}}),
    ],
)
def test_velocities_from_every_twist(kind, data):
    message = cdr(kind, **data)
    assert Term('term: base_linear_velocity', kind)(message) == [1.0, 2.0, 3.0]
    assert Term('term: base_angular_velocity, axes: [z, x]', kind)(message) == [6.0, 4.0]
    command = Term('term: velocity_command, axes: [angular_z, linear_y]', kind)
    assert command(message) == [6.0, 2.0]


def test_an_imu_gives_angular_velocity_and_no_linear_one():
    message = cdr(IMU, angular_velocity={'x': 0.5, 'y': 0.25, 'z': -1.0})
    assert Term('term: base_angular_velocity', IMU)(message) == [0.5, 0.25, -1.0]
    with pytest.raises(WiringError, match=r'cannot be read from sensor_msgs/msg/Imu; expected on'):
        Term('term: base_linear_velocity', IMU)


HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ('quaternion_xyzw', 'gravity'),
    [
        ((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, -1.0)),  # level
        ((0.0, 0.0, HALF, HALF), (0.0, 0.0, -1.0)),  # turned left: gravity stays
        ((0.0, HALF, 0.0, HALF), (1.0, 0.0, 0.0)),  # nose down: gravity forward
        ((HALF, 0.0, 0.0, HALF), (0.0, -1.0, 0.0)),  # rolled right: gravity to the right
        ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0)),  # upside down
    ],
)
def test_projected_gravity(quaternion_xyzw, gravity):
    orientation = pose(quaternion_xyzw=quaternion_xyzw)['orientation']
    term = Term('term: projected_gravity', IMU)
    assert term(cdr(IMU, orientation=orientation)) == pytest.approx(gravity, abs=1e-7)
    odometry = Term('term: projected_gravity', ODOMETRY)
    message = cdr(ODOMETRY, pose={'pose': pose(quaternion_xyzw=quaternion_xyzw)})
    assert odometry(message) == pytest.approx(gravity, abs=1e-7)


def test_a_quaternion_that_is_no_rotation():
    term = Term('term: projected_gravity', IMU)
    with pytest.raises(MessageError, match='squared norm 0, expected 1') as caught:
        term(cdr(IMU))  # as an IMU without an orientation sends it
    assert not isinstance(caught.value, NonFinite)
    with pytest.raises(NonFinite):
        term(cdr(IMU, orientation={'x': NAN, 'y': 0.0, 'z': 0.0, 'w': 1.0}))


# --- goals and poses -----------------------------------------------------------------------------


def goal(x, y, frame='odom'):
    return cdr(POSE, header=header(frame=frame), pose=pose((x, y, 0.0)))


def base(x, y, yaw=0.0, frame='odom', quaternion_xyzw=None):
    q = quaternion_xyzw or (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
    return cdr(ODOMETRY, header=header(frame=frame), pose={'pose': pose((x, y, 0.0), q)})


def test_a_goal_seen_from_the_base():
    polar = Term('term: goal_relative, layout: polar', POSE, ODOMETRY)
    flat = Term('term: goal_relative, layout: xy', POSE, ODOMETRY)
    where = (goal(4.0, 6.0), base(1.0, 2.0))
    assert polar(*where) == pytest.approx(f32(5.0, 0.6, 0.8))
    assert flat(*where) == pytest.approx([3.0, 4.0])
    left = (goal(1.0, 3.0), base(1.0, 2.0, math.pi / 2))  # straight ahead of a base turned left
    assert polar(*left) == pytest.approx([1.0, 1.0, 0.0], abs=1e-7)
    assert flat(*left) == pytest.approx([1.0, 0.0], abs=1e-7)
    west = (goal(0.0, 2.0), base(1.0, 2.0, math.pi / 2))  # to the left of the same base
    assert polar(*west) == pytest.approx([1.0, 0.0, 1.0], abs=1e-7)
    assert flat(*west) == pytest.approx([0.0, 1.0], abs=1e-7)


def test_at_the_goal_the_bearing_is_straight_ahead():
    polar = Term('term: goal_relative, layout: polar', POSE, ODOMETRY)
    assert polar(goal(1.0, 2.0), base(1.0, 2.0, 0.3)) == [0.0, 1.0, 0.0]


@pytest.mark.parametrize('layout', ['polar', 'xy'])
@pytest.mark.parametrize(
    'where',
    [
        (goal(NAN, 0.0), base(0.0, 0.0)),
        (goal(0.0, 0.0), base(0.0, NAN)),
        (goal(0.0, INF), base(0.0, 0.0)),
        (goal(1.0, 0.0), base(0.0, 0.0, NAN)),
        (goal(1.0, 0.0), base(0.0, 0.0, quaternion_xyzw=(0.0, 0.0, INF, 1.0))),
    ],
)
def test_a_pose_that_is_not_finite_is_no_goal_reached(layout, where):
    with pytest.raises(NonFinite):
        Term(f'term: goal_relative, layout: {layout}', POSE, ODOMETRY)(*where)


def test_a_base_without_an_orientation_does_not_look_east():
    polar = Term('term: goal_relative, layout: polar', POSE, ODOMETRY)
    with pytest.raises(MessageError, match=r'goal_relative\.base: the quaternion has squared n'):
        polar(goal(1.0, 0.0), base(0.0, 0.0, quaternion_xyzw=(0.0, 0.0, 0.0, 0.0)))


def test_goal_and_base_are_in_one_frame():
    polar = Term('term: goal_relative, layout: polar', POSE, ODOMETRY)
    with pytest.raises(MessageError, match="the goal is in frame 'map', the base in 'odom'"):
        polar(goal(1.0, 0.0, frame='map'), base(0.0, 0.0))


def test_a_target_pose_in_the_contracts_frame():
    target = cdr(
        POSE, header=header(frame='base'), pose=pose((1.0, 2.0, 3.0), (0.0, 0.0, 1.0, 0.0))
    )
    term = 'term: target_pose, frame: base, layout: '
    assert Term(f'{term}position', POSE)(target) == [1.0, 2.0, 3.0]
    everything = Term(f'{term}position+quaternion_xyzw', POSE)
    assert everything(target) == [1.0, 2.0, 3.0, 0.0, 0.0, 1.0, 0.0]
    with pytest.raises(MessageError, match='squared norm 0'):
        everything(
            cdr(POSE, header=header(frame='base'), pose=pose(quaternion_xyzw=(0.0, 0.0, 0.0, 0.0)))
        )
    with pytest.raises(MessageError, match="is in frame 'base', the contract wants 'r1/base'"):
        Term(f'{term}position', POSE, prefix='r1/')(target)
    with pytest.raises(WiringError, match='the contract names no frame for it; add frame: there'):
        Term('term: target_pose, layout: position', POSE)


# --- scans ---------------------------------------------------------------------------------------


def scan(ranges, angle_min=-math.pi, increment=None):
    step = 2 * math.pi / len(ranges) if increment is None else increment
    return cdr(SCAN, angle_min=angle_min, angle_increment=step, ranges=ranges)


def scan_term(sectors=4):
    return Term(
        f'term: range_scan, sectors: {sectors}, angle_min: {-math.pi}, angle_max: {math.pi}, '
        'range_max: 6.0',
        SCAN,
    )


def test_a_sector_is_its_least_range():
    assert scan_term()(scan([4, 3, 2, 5, 6, 1, 0.5, 7])) == [3.0, 2.0, 1.0, 0.5]


def test_other_numbers_of_beams_make_the_same_sectors():
    term = scan_term()
    assert term(scan([1, 2, 3, 4])) == [1.0, 2.0, 3.0, 4.0]
    assert term(scan([1] * 3 + [2] * 3 + [3] * 3 + [4] * 3)) == [1.0, 2.0, 3.0, 4.0]
    # five beams on four sectors: the second, at 72 degrees, is in the first; then four again
    assert term(scan([2, 1, 3, 5, 4])) == [1.0, 3.0, 5.0, 4.0]
    assert term(scan([4, 3, 2, 1])) == [4.0, 3.0, 2.0, 1.0]


def test_no_return_is_far_and_too_close_is_zero():
    assert scan_term()(scan([INF, -INF, 100.0, 2.0])) == [6.0, 0.0, 6.0, 2.0]


def test_a_nan_in_a_sector_is_a_fault_wherever_it_stands():
    for place in range(8):
        ranges = [1.0] * 8
        ranges[place] = NAN
        with pytest.raises(NonFinite, match=f'range_scan: not finite at sector_{place // 2}'):
            scan_term()(scan(ranges))


def test_the_last_beam_of_a_closed_circle_looks_where_the_first_does():
    assert scan_term()(scan([2, 2, 3, 4, 1], increment=2 * math.pi / 4)) == [1.0, 2.0, 3.0, 4.0]


def test_a_scan_can_begin_anywhere_and_run_either_way_round():
    term = scan_term()
    ahead_first = scan([3, 4, 1, 2], angle_min=0.0)
    clockwise = scan([1, 4, 3, 2], angle_min=math.pi, increment=-math.pi / 2)
    assert term(ahead_first) == term(clockwise) == [1.0, 2.0, 3.0, 4.0]


def test_of_a_scan_that_sees_more_only_what_is_wanted_counts():
    term = Term(
        'term: range_scan, sectors: 2, angle_min: -1.0, angle_max: 1.0, range_max: 6.0', SCAN
    )
    wide = scan([0.1, 4, 3, 2, 0.1], angle_min=-2.0, increment=1.0)
    assert term(wide) == [4.0, 2.0]  # the beam on angle_max is in the last sector


def beams_of(sector, sectors, angles, low, high, increment):
    """Return which beams lie in a sector, one by one; bounds within a tenth of a beam."""
    width, early = (high - low) / sectors, 0.1 * abs(increment)
    found = []
    for beam, angle in enumerate(angles):
        from_low = (angle - low + early) % (2 * math.pi)
        on_the_end = sector == sectors - 1 and high - low < 6.2 and (
            high - low <= from_low < high - low + 2 * early
        )  # fmt: skip
        if sector * width <= from_low < (sector + 1) * width or on_the_end:
            found.append(beam)
    return found


@pytest.mark.parametrize('seed', range(40))
def test_sectors_of_any_scan_against_a_search_beam_by_beam(seed):
    rng = np.random.default_rng(seed)
    sectors = int(rng.integers(1, 30))
    beams = int(rng.integers(2 * sectors, 400))
    whole = seed % 2 == 0
    low, high = (-math.pi, math.pi) if whole else (rng.uniform(-3, 0), rng.uniform(0.2, 3))
    increment = np.float32((high - low) / beams)
    first = np.float32(rng.uniform(-7, 7) if whole else low + 0.5 * increment)
    if seed % 3 == 0:
        first, increment = first + increment * (beams - 1), -increment
    first = np.float32(first)
    ranges = rng.uniform(0.1, 5.0, beams).astype(np.float32)
    term = Term(
        f'term: range_scan, sectors: {sectors}, angle_min: {low}, angle_max: {high}, '
        'range_max: 6.0',
        SCAN,
    )
    found = term(
        cdr(
            SCAN,
            angle_min=float(first),
            angle_increment=float(increment),
            ranges=ranges,
            intensities=rng.uniform(0, 1, beams),
        )  # fmt: skip
    )
    angles = float(first) + float(increment) * np.arange(beams)
    expected = [
        float(ranges[beams_of(one, sectors, angles, low, high, float(increment))].min())
        for one in range(sectors)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (scan([1.0] * 3), 'the scan has 3 beams, the contract wants 4 sectors'),
        (scan([1.0] * 36, increment=math.pi / 36), 'the scan covers -3.142 to -0.087 rad with 36'),
        (scan([1.0] * 36, angle_min=1.0, increment=math.pi / 20), 'the scan covers 1.000 to 6.4'),
        (scan([1.0] * 36, increment=NAN), 'with 36 beams, the contract wants 4 sectors from -3.'),
        (scan([1.0] * 36, increment=0.0), 'the scan covers -3.142 to -3.142 rad'),
        (scan([1.0] * 36, angle_min=INF), 'the scan covers inf to inf rad'),
    ],
)
def test_a_scan_of_another_field_of_view(data, words):
    with pytest.raises(MessageError) as caught:
        scan_term()(data)
    assert words in str(caught.value)


# --- plain values --------------------------------------------------------------------------------


def test_values_from_arrays_and_numbers():
    two = Term('term: value, size: 2', ARRAY)
    assert two(cdr(ARRAY, data=[1.5, 2.5])) == [1.5, 2.5]
    with pytest.raises(MessageError, match='field data has 3 values, expected 2'):
        two(cdr(ARRAY, data=[1.0, 2.0, 3.0]))
    assert Term('term: value, size: 1', FLOAT64, field='data')(cdr(FLOAT64, data=2.5)) == [2.5]
    deep = Term('term: value, size: 1', ODOMETRY, field='pose.pose.position.x')
    assert deep(base(7.0, 0.0)) == [7.0]
    with pytest.raises(WiringError, match='say which field of std_msgs/msg/Float64: field'):
        Term('term: value, size: 1', FLOAT64)


@pytest.mark.parametrize(
    ('term', 'options', 'words'),
    [
        ('term: range_scan, sectors: 1, angle_min: 0, angle_max: 1, range_max: 1',
         {'joints': ['a']}, 'joints: is not for a range_scan, which has no joints'),
    ],
)  # fmt: skip
def test_what_a_kind_has_no_use_for_is_refused(term, options, words):
    with pytest.raises(WiringError) as caught:
        Term(term, SCAN, **options)
    assert words in str(caught.value)


READ = sorted(kind.name for kind in OBSERVATION_KINDS.values() if kind.ports)


@pytest.mark.parametrize('kind', sorted(set(READ) - {'value'}))
def test_no_kind_reads_a_message_it_does_not_know(kind):
    options = {
        'joint': ', joints: [a]',
        'velocity_command': ', axes: [linear_x]',
        'goal_relative': ', layout: xy',
        'goal_pose': ', layout: position',
        'target': ', layout: position, frame: base',
        'orientation': ', layout: roll_pitch_yaw',
        'range_scan': ', sectors: 1, angle_min: 0, angle_max: 1, range_max: 1',
        'range': ', range_max: 1',
        'height_scan': ', size: [1, 1], resolution: 0.5, grid_order: x_fastest, reduce: max, '
        'fill: 0, frame: base',
        'image': ', height: 2, width: 2, channels: gray, layout: chw, range: 0-1, resize: none',
    }
    more = next((text for start, text in options.items() if kind.startswith(start)), '')
    with pytest.raises(WiringError, match='cannot be read from|names no joints'):
        Term(f'term: {kind}{more}', *['std_msgs/msg/String'] * 2)


def test_the_definitions_folder_of_the_checkout_is_enough_for_our_own_messages():
    assert messages().type('fournex_msgs/msg/Tick').__name__.endswith('Tick')
    assert (pathlib.Path(__file__).parents[2] / 'fournex_msgs/msg/Tick.msg').is_file()
