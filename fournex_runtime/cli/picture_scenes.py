"""What a robot did in space, drawn: the rover's path, the arm's tip, the cart and its pole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sim.robot import Robot

Vector = NDArray[np.float64]
Timed = Sequence[tuple[float, Any]]
"""Messages with their time in seconds from the first tick."""

ODOMETRY = 'nav_msgs/msg/Odometry'
JOINT_STATE = 'sensor_msgs/msg/JointState'
POSE = 'geometry_msgs/msg/PoseStamped'
PATH_COLOURS = 'viridis'


@dataclasses.dataclass(frozen=True)
class Trace:
    """
    Curves over time beside the scene.

    :param label: of the axis, with the unit.
    :param times: seconds.
    :param curves: values by name.
    :param bounds: heights of lines not to be crossed.
    """

    label: str
    times: Vector
    curves: dict[str, Vector]
    bounds: tuple[float, ...] = ()


Scene = Callable[[Any, Robot, dict[str, Timed]], list[Trace]]
"""Draws on axes; returns the curves that belong beside it."""


def rover_scene(axes: Any, robot: Robot, messages: dict[str, Timed]) -> list[Trace]:
    """Draw walls, obstacles, goals and the path driven, in ``odom``."""
    from matplotlib.patches import Circle, Polygon, Rectangle
    from matplotlib.transforms import Affine2D

    room = robot.picture()
    axes.add_patch(Polygon(room['walls'], fill=False, edgecolor='0.25', linewidth=3))
    for one in room['obstacles']:
        if one['kind'] == 'cylinder':
            patch: Any = Circle((0.0, 0.0), one['size'][0])
        else:
            patch = Rectangle((-one['size'][0] / 2, -one['size'][1] / 2), *one['size'])
        place = Affine2D().rotate(one['yaw']).translate(one['x'], one['y'])
        patch.set(facecolor='0.72', edgecolor='0.45', transform=place + axes.transData)
        axes.add_patch(patch)
    for number, goal in enumerate(room['goals'], 1):
        axes.add_patch(
            Circle(
                goal, room['goal_radius_m'], facecolor='#f6c34455', edgecolor='#c98a00', zorder=3
            )
        )
        axes.annotate(str(number), goal, ha='center', va='center', color='#7a5200', zorder=6)
    odometry = messages.get(ODOMETRY, [])
    positions = np.array(
        [(m.pose.pose.position.x, m.pose.pose.position.y) for _, m in odometry]
    ).reshape(-1, 2)
    times = np.array([time for time, _ in odometry])
    _path(axes, positions, times)
    x, y, yaw = room['start']
    axes.add_patch(
        Circle(
            (x, y), room['rover_radius_m'], fill=False, edgecolor='#333', linestyle=':', zorder=4
        )
    )
    axes.annotate('start', (x, y), xytext=(6, -12), textcoords='offset points', fontsize=8)
    if len(positions):
        axes.add_patch(
            Circle(positions[-1], room['rover_radius_m'], fill=False, edgecolor='#333', zorder=5)
        )
    reach = max(abs(value) for corner in room['walls'] for value in corner) + 0.15
    axes.set(
        xlim=(-reach, reach), ylim=(-reach, reach), xlabel='x in odom (m)', ylabel='y in odom (m)'
    )
    axes.set_aspect('equal')
    return []


def arm_scene(axes: Any, robot: Any, messages: dict[str, Timed]) -> list[Trace]:
    """Draw the tip's path and the targets from above, in ``base_link``."""
    import mujoco
    from matplotlib.patches import Circle

    states = messages.get(JOINT_STATE, [])
    names = list(states[0][1].name) if states else []
    order = [names.index(robot.model.joint(index).name) for index in range(robot.model.njnt)]
    tips = np.empty((len(states), 3))
    for row, (_, message) in enumerate(states):
        robot.data.qpos[:] = np.asarray(message.position)[order]
        mujoco.mj_kinematics(robot.model, robot.data)
        tips[row] = robot.tip
    times = np.array([time for time, _ in states])
    targets = [(time, m.pose.position) for time, m in messages.get(POSE, [])]
    radius = robot.picture()['target_radius_m']
    for number, (_, at) in enumerate(targets, 1):
        axes.add_patch(
            Circle((at.x, at.y), radius, facecolor='#f6c34455', edgecolor='#c98a00', zorder=3)
        )
        axes.annotate(
            f'{number}',
            (at.x, at.y),
            xytext=(7, 5),
            textcoords='offset points',
            color='#7a5200',
            zorder=6,
        )
    _path(axes, tips[:, :2], times)
    axes.plot(0, 0, 's', color='0.3', markersize=9)
    axes.annotate('base', (0, 0), xytext=(8, -10), textcoords='offset points', fontsize=8)
    axes.set(xlabel='x in base_link (m), from above', ylabel='y in base_link (m)')
    axes.set_aspect('equal', adjustable='datalim')
    axes.margins(0.15)
    traces = [Trace('tip to target (m)', times, {'': _distances(times, tips, targets)}, (radius,))]
    joints = np.array([np.asarray(m.position) for _, m in states]).reshape(-1, len(names))
    traces.append(
        Trace(
            'joints (rad)', times, {name: joints[:, column] for column, name in enumerate(names)}
        )
    )
    return traces


def pendulum_scene(axes: Any, robot: Robot, messages: dict[str, Timed]) -> list[Trace]:
    """Draw cart and pole tip along the rail, time going up."""
    scene = robot.picture()
    states = messages.get(JOINT_STATE, [])
    times = np.array([time for time, _ in states])
    cart, pole = (
        np.array([m.position[list(m.name).index(joint)] for _, m in states])
        for joint in ('cart', 'pole')
    )
    tip = cart + scene['pole_length_m'] * np.sin(pole)
    axes.fill_betweenx(times, cart, tip, color='#c98a00', alpha=0.25, linewidth=0)
    axes.plot(tip, times, color='#c98a00', linewidth=1, label='tip of the pole')
    axes.plot(cart, times, color='#2a5d84', linewidth=1.5, label='cart')
    off = scene['cart_off_m']
    for edge in (-off, off):
        axes.axvline(edge, color='#b03030', linestyle='--', linewidth=1)
    axes.set(xlim=(-off - 0.2, off + 0.2), xlabel='along the rail (m)', ylabel='time (s)')
    axes.legend(loc='lower right', fontsize=8)
    fallen = scene['pole_fallen_rad']
    return [
        Trace('cart (m)', times, {'': cart}),
        Trace('pole (rad)', times, {'': pole}, (-fallen, fallen)),
    ]


def _path(axes: Any, positions: Vector, times: Vector) -> None:
    """Draw a path that changes colour with time, with a colour bar."""
    from matplotlib.collections import LineCollection

    if len(positions) < 2:
        return
    segments = np.stack((positions[:-1], positions[1:]), axis=1)
    lines = LineCollection(list(segments), cmap=PATH_COLOURS, linewidth=2.2, zorder=4)
    lines.set_array(times[:-1])
    axes.add_collection(lines)
    axes.figure.colorbar(lines, ax=axes, label='time (s)', shrink=0.7, pad=0.02)


def _distances(times: Vector, tips: Vector, targets: Sequence[tuple[float, Any]]) -> Vector:
    """Return the distance of the tip from the target of that time."""
    found = np.full(len(times), np.nan)
    for row, now in enumerate(times):
        present = [at for time, at in targets if time <= now] or [at for _, at in targets[:1]]
        if present:
            at = present[-1]
            found[row] = np.linalg.norm(tips[row] - (at.x, at.y, at.z))
    return found


SCENES: dict[str, Scene] = {
    'rover': rover_scene,
    'arm': arm_scene,
    'pendulum': pendulum_scene,
}
