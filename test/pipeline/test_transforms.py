"""The tree of frames: what is between two of them, how old it may be, what is refused."""

import math

import numpy as np
import pytest
from tf_messages import UPRIGHT, matrix_of, transforms, yaw

from fournex_runtime.configuration import FOREVER_NS
from fournex_runtime.errors import StaleTransform, UnresolvedFrame
from fournex_runtime.pipeline.told_transforms import told
from fournex_runtime.pipeline.transforms import FrameTree, NoFrames, TickFrames

MS = 1_000_000
NOW_NS = 10_000 * MS


def tree(*links, arrival_ns=NOW_NS, stamp_ns=0, fixed=False, before=None):
    return (before or FrameTree()).updated(
        told(transforms(*links, stamp_ns=stamp_ns)), arrival_ns, fixed
    )


def frames(found, budget_ns=200 * MS, ros_ns=NOW_NS):
    return TickFrames(found, NOW_NS, ros_ns, budget_ns)


def as_matrix(transform):
    return matrix_of(transform.translation, transform.rotation)


def random_links(seed):
    """Return a tree of 12 frames, each under a random earlier one, and each one's matrix."""
    generator = np.random.default_rng(seed)
    links, in_root = [], {'f0': np.eye(4)}
    for child in range(1, 12):
        parent = f'f{generator.integers(child)}'
        turn = generator.normal(size=4)
        turn = tuple((turn / np.linalg.norm(turn)).tolist())
        move = tuple(generator.normal(size=3).tolist())
        links.append((parent, f'f{child}', move, turn))
        in_root[f'f{child}'] = in_root[parent] @ matrix_of(move, turn)
    return links, in_root


@pytest.mark.parametrize('seed', range(3))
def test_between_any_two_frames_is_what_the_matrices_say(seed):
    links, in_root = random_links(seed)
    seen = frames(tree(*links))
    for target in in_root:
        for source in in_root:
            wanted = np.linalg.inv(in_root[target]) @ in_root[source]
            found = seen.between(target, source)
            assert np.allclose(as_matrix(found), wanted, rtol=0, atol=1e-12)


def test_a_frame_is_itself_even_where_tf_knows_nothing():
    there = frames(FrameTree()).between('map', 'map')
    assert np.array_equal(as_matrix(there), np.eye(4))
    assert np.array_equal(as_matrix(NoFrames().between('map', 'map')), np.eye(4))


def test_a_point_and_the_way_back():
    seen = frames(tree(('map', 'base', (1.0, 2.0, 0.0), yaw(math.pi / 2))))
    here = seen.between('map', 'base')
    assert here.point(here.translation) == pytest.approx((-1.0, 3.0, 0.0))
    assert here.inverse().point(here.point(here.translation)) == pytest.approx((1.0, 2.0, 0.0))


def test_what_comes_last_of_a_child_holds_whatever_its_stamp():
    first = tree(('odom', 'base', (1.0, 0.0, 0.0), UPRIGHT), stamp_ns=NOW_NS)
    second = tree(
        ('odom', 'base', (2.0, 0.0, 0.0), UPRIGHT), stamp_ns=NOW_NS - 50 * MS, before=first
    )
    assert frames(second).between('odom', 'base').translation.x == 2.0
    moved = tree(('map', 'base', (3.0, 0.0, 0.0), UPRIGHT), before=second)
    assert frames(moved).between('map', 'base').translation.x == 3.0
    with pytest.raises(UnresolvedFrame, match="tf has no frame 'odom'"):
        frames(moved).between('odom', 'base')


def test_a_tree_is_never_changed():
    first = tree(('odom', 'base', (1.0, 0.0, 0.0), UPRIGHT))
    tree(('odom', 'base', (2.0, 0.0, 0.0), UPRIGHT), before=first)
    assert frames(first).between('odom', 'base').translation.x == 1.0


@pytest.mark.parametrize(
    ('arrival_ms', 'stamp_ms', 'age_ms'),
    [
        (0, None, 0),
        (150, None, 150),
        (201, None, 201),
        (0, 201, 201),  # it took its time on the way
        (300, 100, 300),
        (0, -1000, 0),  # stamped ahead, as AMCL does
        (201, -1000, 201),
    ],
)
def test_age_is_the_larger_of_arrival_and_stamp(arrival_ms, stamp_ms, age_ms):
    stamp_ns = 0 if stamp_ms is None else NOW_NS - stamp_ms * MS
    link = ('odom', 'base', (1.0, 0.0, 0.0), UPRIGHT)
    seen = frames(tree(link, arrival_ns=NOW_NS - arrival_ms * MS, stamp_ns=stamp_ns))
    if age_ms <= 200:
        assert seen.between('odom', 'base').translation.x == 1.0
        return
    words = f'the transform odom → base is {age_ms} ms old, budget 200 ms'
    with pytest.raises(StaleTransform, match=words):
        seen.between('odom', 'base')


def test_static_links_have_no_age_and_old_ones_beside_the_way_do_not_matter():
    found = tree(('base', 'imu', (0.0, 0.0, 1.0), UPRIGHT), arrival_ns=0, fixed=True)
    found = tree(('base', 'arm', (1.0, 0.0, 0.0), UPRIGHT), arrival_ns=0, before=found)
    found = tree(('odom', 'base', (5.0, 0.0, 0.0), UPRIGHT), before=found)
    assert frames(found).between('odom', 'imu').translation == (5.0, 0.0, 1.0)
    with pytest.raises(StaleTransform, match='base → arm is 10000 ms old'):
        frames(found).between('odom', 'arm')
    assert frames(found, FOREVER_NS).between('odom', 'arm').translation.x == 6.0


def test_frames_fixed_to_each_other_are_those_with_static_links_between_them():
    found = tree(
        ('base', 'imu', (0.0, 0.0, 1.0), UPRIGHT),
        ('base', 'lidar', (1.0, 0.0, 0.0), UPRIGHT),
        fixed=True,
    )
    found = tree(('base', 'head', (0.0, 0.0, 2.0), UPRIGHT), before=found)
    assert frames(found).between('lidar', 'imu', rigid=True).translation == (-1.0, 0.0, 1.0)
    with pytest.raises(UnresolvedFrame, match='base → head can move; this needs frames that are'):
        frames(found).between('lidar', 'head', rigid=True)


NAN = math.nan


@pytest.mark.parametrize(
    ('links', 'words'),
    [
        ([], "tf has no frame 'map'. It has nothing"),
        (
            [('map', 'odom', (0, 0, 0), UPRIGHT), ('world', 'base', (0, 0, 0), UPRIGHT)],
            "tf does not connect 'base' (under world) and 'map' (under map): "
            'map → odom, world → base',
        ),
        (
            [('maps', 'base', (0, 0, 0), UPRIGHT)],
            "tf has no frame 'map'. Did you mean maps? It has maps → base",
        ),
        (
            [('a', 'map', (0, 0, 0), UPRIGHT), ('map', 'base', (0, 0, 0), UPRIGHT),
             ('base', 'a', (0, 0, 0), UPRIGHT)],
            'the frames go round in a circle: base → map → a → base',
        ),
        (
            [('base', 'base', (0, 0, 0), UPRIGHT), ('map', 'odom', (0, 0, 0), UPRIGHT)],
            'the frames go round in a circle: base → base',
        ),
        (
            [('map', 'base', (0, 0, 0), (0.0, 0.0, 0.0, 0.0))],
            'the transform map → base: the quaternion has squared norm 0, expected 1',
        ),
        (
            [('map', 'base', (NAN, 0, 0), UPRIGHT)],
            'the transform map → base: it is not finite',
        ),
        (
            [('map', 'base', (0, 0, 0), (NAN, 0.0, 0.0, 1.0))],
            'the transform map → base: it is not finite',
        ),
        (
            [('f', f'f{index}', (0, 0, 0), UPRIGHT) for index in range(15)],
            "tf has no frame 'map'. It has f → f0, f → f1, f → f10, f → f11, f → f12, f → f13, "
            'f → f14, f → f2, f → f3, f → f4, f → f5, f → f6 and 3 more',
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_names_both_frames_and_what_there_is(links, words):
    with pytest.raises(UnresolvedFrame) as refusal:
        frames(tree(*links)).between('map', 'base')
    assert words in str(refusal.value)
    assert not isinstance(refusal.value, StaleTransform)


def test_without_frames_two_that_differ_are_refused():
    with pytest.raises(UnresolvedFrame, match='the wiring has no frames: to look it up in tf'):
        NoFrames().between('map', 'base')
