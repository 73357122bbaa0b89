"""
The kinds of observation and action terms that a contract can name, without any arithmetic.

A kind says how many values a term has and what each is called, which sources it reads (its
ports), and which options it takes. How the values come out of messages is in
``pipeline/observation_terms.py``; how they go into messages is in ``pipeline/command_terms.py``.

Conventions are those of REP 103 and REP 105: x forward, y left, z up, SI units, radians,
quaternions as x, y, z, w.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from ..configuration import Section
from .options import (
    MOST_PIXELS,
    MOST_VALUES,
    Option,
    choice,
    duration,
    number,
    optional,
    positive,
    row,
    subset,
    whole,
)

Options = dict[str, Any]
Labels = tuple[str, ...]

_AXES = ('x', 'y', 'z')
_TWIST = ('linear_x', 'linear_y', 'linear_z', 'angular_x', 'angular_y', 'angular_z')
_QUATERNION = ('qx', 'qy', 'qz', 'qw')
_GOAL_LAYOUTS = {'polar': ('distance', 'cos_bearing', 'sin_bearing'), 'xy': ('x', 'y')}
POSE_LAYOUTS = {'position': _AXES, 'position+quaternion_xyzw': (*_AXES, *_QUATERNION)}
"""Which values a pose is, in their order."""
ORIENTATION_LAYOUTS = {
    'quaternion_xyzw': _QUATERNION,
    'quaternion_wxyz': ('qw', 'qx', 'qy', 'qz'),
    'roll_pitch_yaw': ('roll', 'pitch', 'yaw'),
    'rotation_6d_columns': ('r00', 'r10', 'r20', 'r01', 'r11', 'r21'),
    'rotation_6d_rows': ('r00', 'r01', 'r10', 'r11', 'r20', 'r21'),
}
"""Which values an orientation is; ``rIJ`` is row I, column J of the matrix body to world."""
NOISE_DISTRIBUTIONS = ('normal', 'uniform', 'gumbel')
"""What noise can be: of mean 0 and variance 1; between 0 and 1; the standard Gumbel's."""
IMAGE_CHANNELS = {'rgb': 3, 'bgr': 3, 'gray': 1, 'depth': 1}
"""What an image's channels mean, and how many they are."""


@dataclasses.dataclass(frozen=True)
class TermKind:
    """
    One kind of term.

    :param name: as contracts write it.
    :param unit: unit of its values unless the contract says another.
    :param labels: names the values, given joints and options.
    :param joints: it needs a list of joints.
    :param ports: names of the sources that it reads; one port named '' for the usual single one.
    :param options: the options of the kind.
    :param check: refuses options that do not go together.
    :param shape: shape of a term that fills a whole input; None for values in a row.
    :param arithmetic: offset, clip and scale may be given.
    """

    name: str
    unit: str
    labels: Callable[[Labels, Options], Labels]
    joints: bool = False
    ports: tuple[str, ...] = ('',)
    options: tuple[Option, ...] = ()
    check: Callable[[Section, Options], None] = lambda section, options: None
    shape: Callable[[Options], tuple[int, ...]] | None = None
    arithmetic: bool = True

    def read_options(self, section: Section) -> Options:
        """
        Return the options of a term.

        :raises ContractError: one is missing, or they do not go together.
        """
        found = {option.key: option.read(section) for option in self.options}
        self.check(section, found)
        return found


def _joint_labels(joints: Labels, options: Options) -> Labels:
    return joints


def _axes_labels(joints: Labels, options: Options) -> Labels:
    return tuple(options['axes'])


def _numbered(prefix: str, count: int) -> Labels:
    return tuple(f'{prefix}_{index}' for index in range(count))


def _check_scan(section: Section, options: Options) -> None:
    low = options['angle_min']
    if not low < options['angle_max']:
        raise section.problem('angle_max', f'expected an angle above angle_min {low} rad')


def _check_value(section: Section, options: Options) -> None:
    if options['size'] is None and options['one_hot'] is None:
        raise section.problem('', 'size is missing: expected a whole number of at least 1')
    if options['size'] is not None and options['one_hot'] is not None:
        message = 'a choice of N is one number in a message: leave out size'
        raise section.problem('one_hot', message)


def _value_labels(joints: Labels, options: Options) -> Labels:
    if options.get('one_hot') is not None:
        return _numbered('choice', options['one_hot'])
    return _numbered('value', options['size'])


def _phase_labels(joints: Labels, options: Options) -> Labels:
    count = len(options['offsets'])
    if options['layout'] == 'interleaved':
        return tuple(f'{name}_{index}' for index in range(count) for name in ('sin', 'cos'))
    return tuple(f'{name}_{index}' for name in ('sin', 'cos') for index in range(count))


def _check_clock(section: Section, options: Options) -> None:
    if (options['of'] == 'fraction') != (options['length'] is not None):
        raise section.problem('length', 'is how long an episode is: for of: fraction, and only it')


def _check_image(section: Section, options: Options) -> None:
    depth = options['channels'] == 'depth'
    if depth != (options['range'] == 'metres'):
        raise section.problem('range', 'metres are for channels: depth, and only for it')
    if depth != (options['fill'] is not None):
        raise section.problem('fill', 'is what no measurement reads as: for channels: depth only')
    if depth and options['resize'] == 'area':
        raise section.problem(
            'resize', 'area would mix near and far into depths that are nowhere; use nearest'
        )
    crop = options['crop']
    if crop is not None:
        if any(value != int(value) for value in crop) or min(crop) < 0 or min(crop[2:]) < 1:
            raise section.problem('crop', 'expected [top, left, height, width] in whole pixels')
        if options['resize'] == 'none' and crop[2:] != (options['height'], options['width']):
            raise section.problem('crop', 'is not of height and width, and resize is none')


def _image_shape(options: Options) -> tuple[int, ...]:
    size, channels = (options['height'], options['width']), IMAGE_CHANNELS[options['channels']]
    return (channels, *size) if options['layout'] == 'chw' else (*size, channels)


def height_grid(options: Options) -> tuple[int, int]:
    """Return how many points a height scan has along x and y, the ends of its size included."""
    length, width = options['size']
    return round(length / options['resolution']) + 1, round(width / options['resolution']) + 1


def _check_height(section: Section, options: Options) -> None:
    for value in options['size']:
        steps = value / options['resolution']
        if steps > MOST_VALUES:
            raise section.problem('size', f'expected at most {MOST_VALUES} points along {value} m')
        if value < 0.0 or abs(steps - round(steps)) > 1e-6:
            raise section.problem('size', f'{value} m is no multiple of the resolution')
    points = math.prod(height_grid(options))
    if points > MOST_VALUES:
        raise section.problem('size', f'expected at most {MOST_VALUES} points, found {points}')


def _height_labels(joints: Labels, options: Options) -> Labels:
    along_x, along_y = height_grid(options)
    if options['grid_order'] == 'x_fastest':
        return tuple(f'height_{x}_{y}' for y in range(along_y) for x in range(along_x))
    return tuple(f'height_{x}_{y}' for x in range(along_x) for y in range(along_y))


_LAST_ACTION = choice('of', ('raw', 'clipped'), 'raw')
_SIGN = choice('sign', ('as_received', 'w_positive'), 'as_received')

_OBSERVATIONS = (
    TermKind('joint_position', 'rad', _joint_labels, joints=True),
    TermKind('joint_velocity', 'rad/s', _joint_labels, joints=True),
    TermKind('joint_effort', 'Nm', _joint_labels, joints=True),
    TermKind('base_linear_velocity', 'm/s', _axes_labels, options=(subset('axes', _AXES, _AXES),)),
    TermKind(
        'base_angular_velocity', 'rad/s', _axes_labels, options=(subset('axes', _AXES, _AXES),)
    ),
    TermKind('base_height', 'm', lambda joints, options: ('z',)),
    TermKind('projected_gravity', '1', lambda joints, options: _AXES),
    TermKind(
        'orientation',
        '1',
        lambda joints, options: ORIENTATION_LAYOUTS[options['layout']],
        options=(choice('layout', tuple(ORIENTATION_LAYOUTS)), _SIGN),
    ),
    TermKind('velocity_command', 'm/s, rad/s', _axes_labels, options=(subset('axes', _TWIST),)),
    TermKind(
        'goal_relative',
        'm, 1',
        lambda joints, options: _GOAL_LAYOUTS[options['layout']],
        ports=('goal', 'base'),
        options=(choice('layout', tuple(_GOAL_LAYOUTS)),),
    ),
    TermKind(
        'goal_pose',
        'm, 1',
        lambda joints, options: POSE_LAYOUTS[options['layout']],
        ports=('goal', 'base'),
        options=(choice('layout', tuple(POSE_LAYOUTS)), _SIGN),
    ),
    TermKind(
        'target_pose',
        'm, 1',
        lambda joints, options: POSE_LAYOUTS[options['layout']],
        options=(choice('layout', tuple(POSE_LAYOUTS)),),
    ),
    TermKind(
        'range_scan',
        'm',
        lambda joints, options: _numbered('sector', options['sectors']),
        options=(
            whole('sectors'),
            positive('range_max', 'a range above 0 m'),
            number('angle_min'),
            number('angle_max'),
        ),
        check=_check_scan,
    ),
    TermKind(
        'range',
        'm',
        lambda joints, options: ('range',),
        options=(positive('range_max', 'a range above 0 m'),),
    ),
    TermKind(
        'height_scan',
        'm',
        _height_labels,
        options=(
            row('size', 2),
            positive('resolution', 'a length above 0 m'),
            choice('grid_order', ('x_fastest', 'y_fastest')),
            choice('reduce', ('max', 'min')),
            number('fill'),
        ),
        check=_check_height,
    ),
    TermKind(
        'image',
        '1',
        lambda joints, options: (),  # too many to name
        options=(
            whole('height', most=MOST_PIXELS),
            whole('width', most=MOST_PIXELS),
            choice('channels', tuple(IMAGE_CHANNELS)),
            choice('layout', ('chw', 'hwc')),
            choice('range', ('0-255', '0-1', 'metres')),
            choice('resize', ('area', 'nearest', 'nearest_centre', 'none')),
            optional(row('crop', 4)),
            optional(number('fill')),
        ),
        check=_check_image,
        shape=_image_shape,
    ),
    TermKind(
        'gait_phase',
        '1',
        _phase_labels,
        ports=(),
        options=(
            duration('period'),
            row('offsets', 0, (0.0,)),
            choice('layout', ('interleaved', 'grouped')),
        ),
    ),
    TermKind(
        'clock',
        '1',
        lambda joints, options: (options['of'],),
        ports=(),
        options=(choice('of', ('tick', 'seconds', 'fraction')), optional(duration('length'))),
        check=_check_clock,
    ),
    TermKind(
        'value',
        '',
        _value_labels,
        options=(optional(whole('size')), optional(whole('one_hot', 2))),
        check=_check_value,
    ),
    TermKind(
        'last_action',
        '1',
        lambda joints, options: (),  # as many as the policy's actions; known to the contract
        ports=(),
        options=(_LAST_ACTION,),
        arithmetic=False,
    ),
    TermKind(
        'noise',
        '1',
        lambda joints, options: _numbered('noise', options['size']),
        ports=(),
        options=(whole('size'), choice('distribution', NOISE_DISTRIBUTIONS)),
        arithmetic=False,
    ),
)
_COMMANDS = (
    TermKind('joint_position_target', 'rad', _joint_labels, joints=True),
    TermKind('joint_velocity_target', 'rad/s', _joint_labels, joints=True),
    TermKind('joint_effort_target', 'Nm', _joint_labels, joints=True),
    TermKind('joint_stiffness', 'Nm/rad', _joint_labels, joints=True),
    TermKind('joint_damping', 'Nms/rad', _joint_labels, joints=True),
    TermKind('twist', 'm/s, rad/s', _axes_labels, options=(subset('axes', _TWIST),)),
    TermKind(
        'pose_target',
        'm, 1',
        lambda joints, options: POSE_LAYOUTS[options['layout']],
        options=(choice('layout', tuple(POSE_LAYOUTS)),),
    ),
    TermKind('value', '', _value_labels, options=(whole('size'),)),
)

OBSERVATION_KINDS = {kind.name: kind for kind in _OBSERVATIONS}
"""Every kind of observation term by name."""

CONTINUOUS_KINDS = {kind.name: kind for kind in _COMMANDS}
"""Every kind of action term that commands numbers, by name."""

DISCRETE = 'discrete'
"""The kind of an action that is a choice: an index into a table of commands of another kind."""

ACTION_KINDS = {
    **CONTINUOUS_KINDS,
    DISCRETE: TermKind(
        DISCRETE,
        '',
        lambda joints, options: (),  # those of the kind that it stands for
        options=(choice('as', tuple(CONTINUOUS_KINDS)),),
    ),
}
"""Every kind of action term by name."""
