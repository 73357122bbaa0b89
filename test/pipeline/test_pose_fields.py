"""Goals and targets out of messages that are no stamped pose."""

import math

import pytest
from ros_messages import ODOMETRY, POSE, cdr, header, make, pose
from wired_term import WiredTerm

from fournex_runtime.errors import MessageError, UnresolvedFrame, WiringError

POINT = 'geometry_msgs/msg/PointStamped'
TRANSFORM = 'geometry_msgs/msg/TransformStamped'
BARE = 'geometry_msgs/msg/Pose'
PATH = 'nav_msgs/msg/Path'
HALF = math.sqrt(0.5)
LEFT = (0.0, 0.0, HALF, HALF)
XY = 'term: goal_relative, layout: xy'


def base(x, y, frame='map'):
    """Return an odometry that looks to the left."""
    return cdr(ODOMETRY, header=header(1, frame), pose={'pose': pose((x, y, 0.0), LEFT)})


def test_a_goal_that_is_clicked_on_a_map():
    term = WiredTerm(XY, POINT, ODOMETRY, goal={'field': 'point'})
    clicked = cdr(POINT, header=header(1, 'map'), point={'x': 3.0, 'y': 1.0, 'z': 0.0})
    assert term(clicked, base(1.0, 1.0)) == pytest.approx([0.0, -2.0])
    with pytest.raises(UnresolvedFrame, match="'odom'"):
        term(clicked, base(1.0, 1.0, 'odom'))


def test_a_base_that_motion_capture_sees_as_a_transform():
    term = WiredTerm(XY, POSE, TRANSFORM, base={'field': 'transform'})
    goal = cdr(POSE, header=header(1, 'map'), pose=pose((3.0, 1.0, 0.0)))
    rotation = dict(zip('xyzw', LEFT))
    seen = cdr(TRANSFORM, header=header(1, 'map'),
               transform={'translation': {'x': 1.0, 'y': 1.0}, 'rotation': rotation})  # fmt: skip
    assert term(goal, seen) == pytest.approx([0.0, -2.0])
    with pytest.raises(MessageError, match='squared norm 0'):
        term(goal, cdr(TRANSFORM, header=header(1, 'map')))


def test_a_target_whose_message_says_no_frame():
    values = {axis: f'position.{axis}' for axis in 'xyz'}
    values |= {f'q{axis}': f'orientation.{axis}' for axis in 'xyzw'}
    target = 'term: target_pose, layout: position+quaternion_xyzw, frame: map'
    term = WiredTerm(target, BARE, fields=values, reference='map', unit='mm')
    found = term(cdr(BARE, **pose((1000.0, 2.0, 3.0), LEFT)))
    assert found == [1.0, 0.002, 0.003, *LEFT]
    prefixed = WiredTerm(target, BARE, fields=values, reference='map', prefix='r1/')
    assert prefixed(cdr(BARE, **pose((1.0, 2.0, 3.0), LEFT))) == [1.0, 2.0, 3.0, *LEFT]
    with pytest.raises(UnresolvedFrame, match="is in frame 'odom', the contract wants 'map'"):
        WiredTerm(target, BARE, fields=values, reference='odom')(cdr(BARE, **pose()))


def test_the_end_of_a_path_is_a_goal():
    end = {'header': header(1, 'map'), 'pose': pose((5.0, 0.0, 0.0))}
    data = cdr(PATH, header=header(1, 'map'), poses=[make(POSE, **end)])
    term = WiredTerm('term: target_pose, layout: position, frame: map', PATH,
                     field='poses[0].pose')  # fmt: skip
    assert term(data) == [5.0, 0.0, 0.0]
    with pytest.raises(MessageError, match=r'poses\[0\]\.pose\.position\.x: has only 0 elements'):
        term(cdr(PATH, header=header(1, 'map')))


@pytest.mark.parametrize(
    ('types', 'ports', 'words'),
    [
        ((POINT, POINT), {'goal': {'field': 'point'}, 'base': {'field': 'point'}},
         "field 'point' of geometry_msgs/msg/PointStamped is a single geometry_msgs/msg/Point, whi"
         'ch has no orientation; the term needs one'),
        ((POINT, ODOMETRY), {}, 'a goal_relative cannot be read from geometry_msgs/msg/PointStampe'
         'd; expected one of geometry_msgs/msg/PoseStamped'),
        ((POINT, ODOMETRY), {'goal': {'field': 'header'}}, 'is a single std_msgs/msg/Header; expec'
         'ted one of geometry_msgs/msg/Pose, geometry_msgs/msg/Transform'),
        ((POINT, ODOMETRY), {'goal': {'fields': {'x': 'point.x'}}}, 'fields: y, z missing'),
        ((POINT, ODOMETRY), {'goal': {'field': 'point', 'reference': 'map'}}, 'in: the header of a'
         ' geometry_msgs/msg/PointStamped says in which frame it is'),
        ((POSE, ODOMETRY), {'goal': {'reference': 'map'}}, 'in: a geometry_msgs/msg/PoseStamped sa'
         'ys itself in which frame it is'),
        ((PATH, ODOMETRY), {'goal': {'field': 'poses'}}, 'is an array of geometry_msgs/msg/Pose'),
        ((BARE, ODOMETRY), {'goal': {'field': 'position'}}, 'a geometry_msgs/msg/Pose has no heade'
         'r, so it does not say in which frame the pose is: say it here, in: and the name of'),
        ((POINT, ODOMETRY), {'goal': {'field': 'point', 'unit': 'deg'}}, 'unit: x: deg is an'),
        ((POSE, ODOMETRY), {'base': {'unit': 'mm'}}, 'unit: is not for a goal_relative out of a na'
         'v_msgs/msg/Odometry, which is in SI units'),
    ],
)  # fmt: skip
def test_what_is_no_pose(types, ports, words):
    with pytest.raises(WiringError) as caught:
        WiredTerm(XY, *types, **ports)
    assert words in str(caught.value)


def test_only_poses_are_told_their_frame():
    with pytest.raises(WiringError, match='in: is for poses out of messages that say no frame'):
        WiredTerm('term: base_height', BARE, field='position.z', reference='map')
