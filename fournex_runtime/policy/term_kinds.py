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
from collections.abc import Callable
from typing import Any

from ..configuration import Section

Options = dict[str, Any]

_AXES = ('x', 'y', 'z')
_TWIST = ('linear_x', 'linear_y', 'linear_z', 'angular_x', 'angular_y', 'angular_z')


@dataclasses.dataclass(frozen=True)
class TermKind:
    """
    One kind of term.

    :param name: as contracts write it.
    :param unit: unit of its values unless the contract says another.
    :param labels: names the values, given joints and options.
    :param joints: it needs a list of joints.
    :param ports: names of the sources that it reads; one port named '' for the usual single one.
    :param options: reads the options of the kind from the contract.
    """

    name: str
    unit: str
    labels: Callable[[tuple[str, ...], Options], tuple[str, ...]]
    joints: bool = False
    ports: tuple[str, ...] = ('',)
    options: Callable[[Section], Options] = lambda section: {}


def _joint_labels(joints: tuple[str, ...], options: Options) -> tuple[str, ...]:
    return joints


def _axes_labels(joints: tuple[str, ...], options: Options) -> tuple[str, ...]:
    return tuple(options['axes'])


def _axes(section: Section) -> Options:
    axes = section.texts('axes', _AXES)
    _each_of(section, 'axes', axes, _AXES)
    return {'axes': axes}


def _twist_axes(section: Section) -> Options:
    axes = section.texts('axes')
    _each_of(section, 'axes', axes, _TWIST)
    return {'axes': axes}


def _each_of(section: Section, key: str, found: tuple[str, ...], known: tuple[str, ...]) -> None:
    for item in found:
        if item not in known:
            raise section.problem(key, f'{item!r} is not one of {", ".join(known)}')
    if len(set(found)) != len(found) or not found:
        raise section.problem(key, 'expected at least one, each only once')


_GOAL_LAYOUTS = {'polar': ('distance', 'cos_bearing', 'sin_bearing'), 'xy': ('x', 'y')}
_POSE_LAYOUTS = {
    'position': ('x', 'y', 'z'),
    'position+quaternion_xyzw': ('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw'),
}


def _scan(section: Section) -> Options:
    range_max = section.number('range_max')
    if range_max <= 0.0:
        raise section.problem('range_max', f'expected a range above 0 m, found {range_max}')
    low, high = section.number('angle_min'), section.number('angle_max')
    if not low < high:
        raise section.problem('angle_max', f'expected an angle above angle_min {low} rad')
    return {
        'sectors': section.integer('sectors', least=1),
        'range_max': range_max,
        'angle_min': low,
        'angle_max': high,
    }


def _scan_labels(joints: tuple[str, ...], options: Options) -> tuple[str, ...]:
    return tuple(f'sector_{index}' for index in range(options['sectors']))


def _values(section: Section) -> Options:
    return {'size': section.integer('size', least=1)}


def _value_labels(joints: tuple[str, ...], options: Options) -> tuple[str, ...]:
    return tuple(f'value_{index}' for index in range(options['size']))


OBSERVATION_KINDS = {
    kind.name: kind
    for kind in (
        TermKind('joint_position', 'rad', _joint_labels, joints=True),
        TermKind('joint_velocity', 'rad/s', _joint_labels, joints=True),
        TermKind('joint_effort', 'Nm', _joint_labels, joints=True),
        TermKind('base_linear_velocity', 'm/s', _axes_labels, options=_axes),
        TermKind('base_angular_velocity', 'rad/s', _axes_labels, options=_axes),
        TermKind('projected_gravity', '1', lambda joints, options: _AXES),
        TermKind('velocity_command', 'm/s, rad/s', _axes_labels, options=_twist_axes),
        TermKind(
            'goal_relative',
            'm, 1',
            lambda joints, options: _GOAL_LAYOUTS[options['layout']],
            ports=('goal', 'base'),
            options=lambda section: {'layout': section.choice('layout', tuple(_GOAL_LAYOUTS))},
        ),
        TermKind(
            'target_pose',
            'm, 1',
            lambda joints, options: _POSE_LAYOUTS[options['layout']],
            options=lambda section: {'layout': section.choice('layout', tuple(_POSE_LAYOUTS))},
        ),
        TermKind('range_scan', 'm', _scan_labels, options=_scan),
        TermKind('value', '', _value_labels, options=_values),
        TermKind(
            'last_action',
            '1',
            lambda joints, options: (),  # as many as the policy's actions; known to the contract
            ports=(),
            options=lambda section: {'of': section.choice('of', ('raw', 'clipped'), 'raw')},
        ),
    )
}
"""Every kind of observation term by name."""

ACTION_KINDS = {
    kind.name: kind
    for kind in (
        TermKind('joint_position_target', 'rad', _joint_labels, joints=True),
        TermKind('joint_velocity_target', 'rad/s', _joint_labels, joints=True),
        TermKind('joint_effort_target', 'Nm', _joint_labels, joints=True),
        TermKind('twist', 'm/s, rad/s', _axes_labels, options=_twist_axes),
        TermKind('value', '', _value_labels, options=_values),
    )
}
"""Every kind of action term by name."""
