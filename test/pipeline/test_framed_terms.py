"""Terms whose messages are in another frame than the contract's, against matrices."""

import math

import numpy as np
import pytest
from ros_messages import IMU, ODOMETRY, POSE, cdr, header, make, pose
from tf_messages import UPRIGHT, matrix_of, transforms, yaw
from wired_term import WiredTerm

from fournex_runtime.errors import MessageError, StaleTransform, UnresolvedFrame
from fournex_runtime.pipeline.told_transforms import told
from fournex_runtime.pipeline.transforms import FrameTree, TickFrames

TWIST_STAMPED = 'geometry_msgs/msg/TwistStamped'
CLOUD = 'sensor_msgs/msg/PointCloud2'
MS = 1_000_000
NOW_NS = 10_000 * MS
HALF = math.sqrt(0.5)
TILTED = (0.1, -0.2, 0.3, math.sqrt(1.0 - 0.14))
MAP_ODOM = ((3.0, -1.0, 0.2), yaw(0.7))
ODOM_BASE = ((0.5, 2.0, 0.4), TILTED)
BASE_IMU = ((0.3, 0.1, -0.2), (HALF, 0.0, 0.0, HALF))


def robot(age_ms=0, prefix=''):
    """Return map → odom → base → imu; the last one is static."""
    moving = transforms(
        (f'{prefix}map', f'{prefix}odom', *MAP_ODOM),
        (f'{prefix}odom', f'{prefix}base', *ODOM_BASE),
    )
    fixed = transforms((f'{prefix}base', f'{prefix}imu', *BASE_IMU))
    tree = (
        FrameTree()
        .updated(told(moving), NOW_NS - age_ms * MS, False)
        .updated(told(fixed), 0, True)
    )
    return TickFrames(tree, NOW_NS, NOW_NS, 200 * MS)


def stamped_pose(frame, position=(0.0, 0.0, 0.0), rotation=UPRIGHT):
    return cdr(POSE, header=header(0, frame), pose=pose(position, rotation))


def imu(frame, rotation=UPRIGHT, angular=(0.0, 0.0, 0.0)):
    x, y, z, w = rotation
    return cdr(
        IMU,
        header=header(0, frame),
        orientation={'x': x, 'y': y, 'z': z, 'w': w},
        angular_velocity=dict(zip('xyz', angular)),
    )


def odometry(child, linear, angular, frame='odom', rotation=UPRIGHT):
    twist = {'linear': dict(zip('xyz', linear)), 'angular': dict(zip('xyz', angular))}
    return cdr(
        ODOMETRY,
        header=header(0, frame),
        child_frame_id=child,
        pose={'pose': pose((0.0, 0.0, 0.0), rotation)},
        twist={'twist': twist},
    )


def near(values):
    return pytest.approx(np.asarray(values), abs=1e-12)


M_MAP_ODOM, M_ODOM_BASE, M_BASE_IMU = (matrix_of(*one) for one in (MAP_ODOM, ODOM_BASE, BASE_IMU))
M_MAP_BASE = M_MAP_ODOM @ M_ODOM_BASE


# --- poses and clouds ----------------------------------------------------------------------------


def test_a_pose_is_moved_into_the_frame_of_the_contract():
    term = WiredTerm('term: target_pose, layout: position+quaternion_xyzw, frame: base', POSE)
    found = term(stamped_pose('map', (1.0, 2.0, 3.0), yaw(0.3)), frames=robot())
    wanted = np.linalg.inv(M_MAP_BASE) @ matrix_of((1.0, 2.0, 3.0), yaw(0.3))
    assert found[:3] == near(wanted[:3, 3])
    assert matrix_of((0.0, 0.0, 0.0), tuple(found[3:]))[:3, :3].ravel() == near(
        wanted[:3, :3].ravel()
    )


def test_a_pose_in_the_frame_of_the_contract_asks_tf_nothing():
    term = WiredTerm('term: target_pose, layout: position, frame: base', POSE)
    assert term(stamped_pose('base', (1.0, 2.0, 3.0)), frames=robot(9999)) == [1.0, 2.0, 3.0]


def test_the_height_of_the_base_is_that_in_the_frame_which_the_contract_names():
    as_it_is = WiredTerm('term: base_height', POSE)
    on_the_map = WiredTerm('term: base_height, frame: map', POSE)
    here = stamped_pose('odom', (0.5, 2.0, 0.4))
    assert as_it_is(here, frames=robot()) == [0.4]
    assert on_the_map(here, frames=robot()) == near([M_MAP_BASE[2, 3]])


def cloud(frame, points):
    data = np.array(points, np.float32)
    fields = [
        {'name': name, 'offset': 4 * index, 'datatype': 7, 'count': 1}
        for index, name in enumerate('xyz')
    ]
    return cdr(
        CLOUD,
        header=header(0, frame),
        height=1,
        width=len(points),
        fields=[make('sensor_msgs/msg/PointField', **field) for field in fields],
        point_step=12,
        row_step=12 * len(points),
        data=np.frombuffer(data.tobytes(), np.uint8),
    )


def test_a_cloud_is_moved_into_the_frame_of_the_contract():
    scan = WiredTerm(
        'term: height_scan, size: [1, 1], resolution: 1, grid_order: x_fastest, reduce: max, '
        'fill: -9, frame: base',
        CLOUD,
    )
    in_base = [(-0.5, -0.5, 0.25), (0.5, -0.5, 0.5), (-0.5, 0.5, 0.75), (math.nan, 0.5, 4.0)]
    back = np.linalg.inv(M_BASE_IMU)
    in_imu = [(back @ (*point, 1.0))[:3] for point in in_base]
    assert scan(cloud('imu', in_imu), frames=robot()) == pytest.approx(
        [0.25, 0.5, 0.75, -9.0], abs=1e-6
    )


# --- goals ---------------------------------------------------------------------------------------


def test_a_goal_on_the_map_is_seen_from_a_base_in_odometry():
    term = WiredTerm('term: goal_pose, layout: position+quaternion_xyzw', POSE, POSE)
    goal = stamped_pose('map', (4.0, 4.0, 0.0), yaw(1.0))
    found = term(goal, stamped_pose('odom', *ODOM_BASE), frames=robot())
    wanted = np.linalg.inv(M_MAP_BASE) @ matrix_of((4.0, 4.0, 0.0), yaw(1.0))
    assert found[:3] == near(wanted[:3, 3])
    assert matrix_of((0.0, 0.0, 0.0), tuple(found[3:]))[:3, :3].ravel() == near(
        wanted[:3, :3].ravel()
    )


@pytest.mark.parametrize('kind', ['goal_relative, layout: xy', 'goal_pose, layout: position'])
def test_a_base_that_is_a_frame_is_the_base_that_a_topic_would_tell(kind):
    of_topic = WiredTerm(f'term: {kind}', POSE, POSE)
    of_frame = WiredTerm(f'term: {kind}', POSE, frames={'base': ('base', '')})
    goal = stamped_pose('map', (4.0, 4.0, 0.0))
    by_topic = of_topic(goal, stamped_pose('odom', *ODOM_BASE), frames=robot())
    assert of_frame(goal, frames=robot()) == near(by_topic)


def test_a_goal_in_the_plane_turns_with_the_yaw_of_the_base_on_the_map():
    term = WiredTerm(
        'term: goal_relative, layout: polar', POSE, frames={'base': ('base', '')}, prefix='r1/'
    )
    goal = stamped_pose('r1/map', (4.0, 4.0, 0.0))
    distance, cosine, sine = term(goal, frames=robot(prefix='r1/'))
    x, y = M_MAP_BASE[:2, 3]
    bearing = math.atan2(4.0 - y, 4.0 - x) - math.atan2(M_MAP_BASE[1, 0], M_MAP_BASE[0, 0])
    assert distance == pytest.approx(math.hypot(4.0 - x, 4.0 - y))
    assert (cosine, sine) == near((math.cos(bearing), math.sin(bearing)))


def test_the_pose_of_a_frame_where_the_contract_wants_it():
    target = WiredTerm(
        'term: target_pose, layout: position, frame: odom', frames={'': ('imu', '')}
    )
    assert target(frames=robot()) == near((M_ODOM_BASE @ M_BASE_IMU)[:3, 3])
    height = WiredTerm('term: base_height', frames={'': ('base', 'map')})
    assert height(frames=robot()) == near([M_MAP_BASE[2, 3]])
    gravity = WiredTerm('term: projected_gravity', frames={'': ('base', 'odom')})
    assert gravity(frames=robot()) == near(-M_ODOM_BASE[2, :3])
    turned = WiredTerm('term: orientation, layout: rotation_6d_rows', frames={'': ('base', 'map')})
    assert turned(frames=robot()) == near(M_MAP_BASE[:3, :2].ravel())


# --- bodies --------------------------------------------------------------------------------------


def test_an_imu_that_is_mounted_turned_tells_of_the_base():
    rotation = M_BASE_IMU[:3, :3]
    angular = WiredTerm('term: base_angular_velocity, frame: base', IMU)
    found = angular(imu('imu', angular=(1.0, 2.0, 3.0)), frames=robot())
    assert found == near(rotation @ (1.0, 2.0, 3.0))
    world_imu = matrix_of((0.0, 0.0, 0.0), TILTED)[:3, :3]
    world_base = world_imu @ rotation.T
    gravity = WiredTerm('term: projected_gravity, frame: base', IMU)
    assert gravity(imu('imu', TILTED), frames=robot()) == near(-world_base[2])
    layout = 'layout: rotation_6d_columns'
    turned = WiredTerm(f'term: orientation, {layout}, frame: base', IMU)
    assert turned(imu('imu', TILTED), frames=robot()) == near(world_base[:, :2].T.ravel())


def test_the_orientation_of_what_moves_beside_the_imu_follows_from_where_it_is_now():
    waist = transforms(('torso', 'pelvis', (0.0, 0.0, -0.2), yaw(0.5)))
    tree = FrameTree().updated(told(waist), NOW_NS, False)
    frames = TickFrames(tree, NOW_NS, NOW_NS, 200 * MS)
    world_pelvis = matrix_of((0.0, 0.0, 0.0), TILTED) @ matrix_of((0.0, 0.0, 0.0), yaw(0.5))
    gravity = WiredTerm('term: projected_gravity, frame: pelvis', IMU)
    assert gravity(imu('torso', TILTED), frames=frames) == near(-world_pelvis[2, :3])
    angular = WiredTerm('term: base_angular_velocity, frame: pelvis', IMU)
    with pytest.raises(UnresolvedFrame, match='the transform torso → pelvis can move'):
        angular(imu('torso', TILTED), frames=frames)


@pytest.mark.parametrize('kind', [ODOMETRY, TWIST_STAMPED])
def test_the_velocity_of_a_sensor_is_that_of_the_base_with_the_lever_between_them(kind):
    linear, angular = (0.5, -0.25, 1.0), (0.1, 0.2, -0.3)
    if kind == ODOMETRY:
        message = odometry('imu', linear, angular)
    else:
        twist = {'linear': dict(zip('xyz', linear)), 'angular': dict(zip('xyz', angular))}
        message = cdr(kind, header=header(0, 'imu'), twist=twist)
    term = WiredTerm('term: base_linear_velocity, axes: [z, x], frame: base', kind)
    rotation, lever = M_BASE_IMU[:3, :3], M_BASE_IMU[:3, 3]
    velocity = rotation @ linear + np.cross(rotation @ angular, -lever)
    assert term(message, frames=robot()) == near([velocity[2], velocity[0]])


def test_a_velocity_is_taken_as_it_is_where_frames_agree_or_the_contract_names_none():
    linear, angular = (0.5, -0.25, 1.0), (0.1, 0.2, -0.3)
    named = WiredTerm('term: base_linear_velocity, frame: base', ODOMETRY)
    unnamed = WiredTerm('term: base_linear_velocity', ODOMETRY)
    assert named(odometry('base', linear, angular)) == list(linear)
    assert unnamed(odometry('anything', linear, angular)) == list(linear)
    twist = WiredTerm('term: base_linear_velocity, frame: base', 'geometry_msgs/msg/Twist')
    fields = {'linear': dict(zip('xyz', linear)), 'angular': dict(zip('xyz', angular))}
    assert twist(cdr('geometry_msgs/msg/Twist', **fields)) == list(linear)


def test_a_command_in_another_frame_is_another_command():
    term = WiredTerm('term: velocity_command, axes: [linear_x], frame: base', TWIST_STAMPED)
    twist = {'linear': {'x': 0.5, 'y': 0.0, 'z': 0.0}}
    assert term(cdr(TWIST_STAMPED, header=header(0, 'base'), twist=twist)) == [0.5]
    with pytest.raises(MessageError, match="is in frame 'map', the contract wants 'base'"):
        term(cdr(TWIST_STAMPED, header=header(0, 'map'), twist=twist), frames=robot())


# --- what cannot be known ------------------------------------------------------------------------

MOVING_IMU = 'the transform odom → base can move; this needs frames that are fixed'


@pytest.mark.parametrize(
    ('term', 'kind', 'message', 'words'),
    [
        ('term: base_angular_velocity, frame: odom', IMU, imu('imu'), MOVING_IMU),
        (
            'term: base_linear_velocity, frame: odom',
            ODOMETRY,
            odometry('base', (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
            MOVING_IMU,
        ),
        (
            'term: orientation, layout: roll_pitch_yaw, frame: bse',
            IMU,
            imu('imu'),
            "the contract wants 'bse': tf has no frame 'bse'. Did you mean base? It has base",
        ),
        (
            'term: base_angular_velocity, frame: base',
            IMU,
            imu(''),
            "is of frame '', the contract wants 'base': a frame without a name",
        ),
        (
            'term: target_pose, layout: position, frame: base',
            POSE,
            stamped_pose('world'),
            "the pose is in frame 'world', the contract wants 'base': tf has no frame 'world'",
        ),
    ],
)
def test_what_cannot_be_moved_is_a_fault_that_names_both_frames(term, kind, message, words):
    with pytest.raises(UnresolvedFrame) as fault:
        WiredTerm(term, kind)(message, frames=robot())
    assert words in str(fault.value)


def test_an_old_transform_is_a_fault_of_age():
    term = WiredTerm('term: target_pose, layout: position, frame: base', POSE)
    with pytest.raises(StaleTransform, match=r'odom → base is 250 ms old, budget 200 ms'):
        term(stamped_pose('map'), frames=robot(250))
    goal = WiredTerm('term: base_height', frames={'': ('base', 'map')})
    with pytest.raises(StaleTransform, match="where 'base' is in 'map': the transf"):
        goal(frames=robot(250))


@pytest.mark.parametrize(
    ('term', 'kind', 'message', 'words'),
    [
        ('base_angular_velocity', IMU, imu('imu'), "is of frame 'imu', the contract wants 'base'"),
        ('projected_gravity', IMU, imu('imu'), "is of frame 'imu', the contract wants 'base'"),
        ('base_height', POSE, stamped_pose('odom'), "is in frame 'odom', the contract wants 'b"),
    ],
)
def test_without_tf_a_frame_that_differs_is_a_fault(term, kind, message, words):
    with pytest.raises(UnresolvedFrame) as fault:
        WiredTerm(f'term: {term}, frame: base', kind)(message)
    assert words in str(fault.value)
    assert str(fault.value).endswith(': the wiring has no frames: to look it up in tf')
