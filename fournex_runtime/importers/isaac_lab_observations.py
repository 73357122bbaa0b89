"""
The observations of an IO descriptor of Isaac Lab as terms; what it leaves out is asked for.

Those of ``isaaclab.envs.mdp.observations``, which the observation manager clips, then scales, then
remembers, each on its own and oldest first. A function without a descriptor is missing from the
file without a word in it, ``height_scan`` for one; the width of the network shows that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArtifactError
from ..policy.contract_types import Fact
from .draft import Draft
from .foreign import Foreign
from .questions import Question, choice, numbers
from .terms import (
    PlainTerm,
    ask_observation,
    clipped,
    one_or_all,
    refined,
    scaled,
)

OURS = 'isaaclab.envs.mdp.'
"""The module whose functions and classes are known."""

_OBSERVATIONS = {
    'base_lin_vel': 'base_linear_velocity',
    'base_ang_vel': 'base_angular_velocity',
    'projected_gravity': 'projected_gravity',
    'base_pos_z': 'base_height',
    'joint_pos': 'joint_position',
    'joint_pos_rel': 'joint_position',
    'joint_vel': 'joint_velocity',
    'joint_vel_rel': 'joint_velocity',
    'joint_effort': 'joint_effort',
}
"""Functions of ``isaaclab.envs.mdp.observations`` whose descriptor says all there is to say."""

_EXAMPLES = {
    'generated_commands': '{term: velocity_command, axes: [linear_x, linear_y, angular_z]}',
    'root_quat_w': '{term: orientation, layout: quaternion_wxyz}',
    'height_scan': '{term: height_scan, frame: base_footprint, size: [1.6, 1.0], resolution: 0.1, '
    'grid_order: x_fastest, reduce: max, fill: 0.0, relative_to: -0.5, scale: -1.0}',
}
_WHY = {
    'generated_commands': 'the descriptor does not say which command it is; of a velocity command '
    'Isaac Lab has x, y and yaw',
    'root_quat_w': 'the order of the numbers is extras.axes; make_quat_unique is sign: w_positive',
    'height_scan': 'of the descriptor there is no grid and no offset; the function gives '
    'height of the sensor - height of the ground - offset (0.5 unless set)',
}


def observation_terms(
    draft: Draft, group: Foreign, pose: Mapping[str, float], actions: int, taken: int | None
) -> list[PlainTerm] | None:
    """
    Return the terms of a group of observations, in their order; None while something is asked.

    :param draft: takes the facts and questions.
    :param group: the descriptors of the group.
    :param pose: the default pose.
    :param actions: how many values an action has.
    :param taken: how many values the network takes; None where that is not known.
    :raises ArtifactError: a descriptor says what no contract can say, or is not complete.
    """
    items = group.items()
    draft.facts['inputs.obs'] = Fact('file', group.where)
    found = [_observation(draft, one, index, pose, actions) for index, one in enumerate(items)]
    described = sum(width_of(one) * max(1, _history(one)) for one in items)
    missing = 0 if taken is None else taken - described
    if missing < 0:
        raise group.problem(f'{taken} values, which the network takes', f'{described}')
    if missing:
        found = _with_missing(draft, group, found, missing, actions)
    if None in found:
        return None
    return [term for one in found if one is not None for term in one]


def _observation(
    draft: Draft, item: Foreign, index: int, pose: Mapping[str, float], actions: int
) -> list[PlainTerm] | None:
    name, width = item['name'].text(), width_of(item)
    overloads = item['overloads']
    if item['extras'].get('modifiers') is not None:
        raise item['extras']['modifiers'].problem('no modifiers, which no contract can say')
    key = f'inputs.obs.{index}.{name}'
    scale = _scale(draft, overloads, f'{key}.scale', width)
    low, high = _clip(overloads, width)
    history = _remembered(overloads)
    function = item['full_path'].text()
    if function == f'{OURS}observations.last_action':
        _check_last_action(item, width, actions, scale, clipped(low, high))
        return [{'term': 'last_action', 'of': 'raw', **history}]
    if function.startswith(f'{OURS}observations.') and name in _OBSERVATIONS:
        term = {'term': _OBSERVATIONS[name], **_joints(item, width, pose)}
        return [{**term, **clipped(low, high), **scaled(scale), **history}]
    terms = ask_observation(
        draft,
        key,
        f'what the {width} values of {function} are',
        width,
        actions,
        _EXAMPLES.get(name, f'{{term: value, size: {width}, name: {name}}}'),
        _WHY.get(name, f'{item.where}: {_description(item)}'),
        ('clip', 'history'),
    )
    if terms is None:
        return None
    return [{**one, **history} for one in refined(terms, actions, scale, low, high)]


def _description(item: Foreign) -> str:
    found = item['extras'].get('description')
    return found.text() if found is not None else 'not described'


def _joints(item: Foreign, width: int, pose: Mapping[str, float]) -> dict[str, Any]:
    """Return the joints of a term, and what its values are relative to."""
    if not item['name'].text().startswith('joint_'):
        return {}
    joints = list(item['joint_names'].texts(width))
    made: dict[str, Any] = {'joints': joints}
    offsets = item.get('joint_pos_offsets') or item.get('joint_vel_offsets')
    if item['name'].text().endswith('_rel') and offsets is None:
        raise ArtifactError(f'{item.where}: has neither joint_pos_offsets nor joint_vel_offsets')
    if offsets is not None:
        values = per_value(offsets, width)
        if 'pos' in item['name'].text() and values == [pose.get(one) for one in joints]:
            made['relative_to'] = 'default_pose'
        elif any(values):
            made['relative_to'] = one_or_all(values)
    return made


def _check_last_action(
    item: Foreign, width: int, actions: int, scale: list[float], clip: dict[str, Any]
) -> None:
    """Refuse what is not all of the last action, as the network gave it."""
    if width != actions:
        raise item['shape'].problem(f'all {actions} values of the action', f'{width} of them')
    if set(scale) != {1.0} or clip:
        raise item['overloads'].problem(
            'no clip and no scale', 'one of them, which last_action cannot have in a contract'
        )


def _scale(draft: Draft, overloads: Foreign, key: str, width: int) -> list[float]:
    found = overloads.get('scale')
    if found is None:
        return [1.0] * width
    return list(draft.known(key, per_value(found, width), found.where, numbers(width)))


def _clip(overloads: Foreign, width: int) -> tuple[list[float], list[float]]:
    found = overloads.get('clip')
    if found is None:
        return [-math.inf] * width, [math.inf] * width
    (low,), (high,) = bounds_of(Foreign([found.value], found.file, found.path), 1)
    return [low] * width, [high] * width


def _history(item: Foreign) -> int:
    found = item['overloads'].get('history_length')
    return found.whole() if found is not None else 0


def _remembered(overloads: Foreign) -> dict[str, Any]:
    found = overloads.get('history_length')
    if found is None or found.whole() <= 1:
        return {}
    flat = overloads.get('flatten_history_dim')
    if flat is not None and not flat.flag():
        raise flat.problem('true: a history in an axis of its own is no row of values')
    return {'history': found.whole(), 'order': 'oldest_first'}


def _with_missing(
    draft: Draft,
    group: Foreign,
    found: Sequence[list[PlainTerm] | None],
    missing: int,
    actions: int,
) -> list[list[PlainTerm] | None]:
    """Ask for what Isaac Lab left out: terms whose function has no descriptor, a height scan."""
    names = [f'{index}.{one["name"].text()}' for index, one in enumerate(group.items())]
    after = draft.ask(
        Question(
            'inputs.obs.missing.after',
            f'after which observation the {missing} values stand that {group.where} lacks',
            choice('nothing', *names),
            'Isaac Lab leaves out what has no descriptor, such as height_scan, and only prints '
            'that; see the order of the observation group in the configuration of the environment',
        )
    )
    terms = ask_observation(
        draft,
        'inputs.obs.missing.terms',
        f'what those {missing} values are',
        missing,
        actions,
        _EXAMPLES['height_scan'],
        _WHY['height_scan'],
    )
    at = 0 if after in (None, 'nothing') else names.index(after) + 1
    return [*found[:at], terms, *found[at:]]


def width_of(one: Foreign) -> int:
    """Return how many values a term has, history not counted."""
    (width,) = one['shape'].wholes(1, least=1)
    return width


def per_value(value: Foreign, count: int) -> list[float]:
    """Read one number, a list of them, or one such list for each simulated environment."""
    if not isinstance(value.value, list):
        return [value.number()] * count
    rows = value.items()
    if rows and isinstance(rows[0].value, list):
        found = [row.numbers(count) for row in rows]
        if len(set(found)) != 1:
            raise value.problem('the same numbers for every environment')
        return list(found[0])
    return list(value.numbers(count))


def bounds_of(clip: Foreign, count: int) -> tuple[list[float], list[float]]:
    """Read one pair a joint; a joint without bounds has infinite ones."""
    low, high = [], []
    for pair in clip.items(count):
        least, most = pair.items(2)
        low.append(-math.inf if least.value == -math.inf else least.number())
        high.append(math.inf if most.value == math.inf else most.number())
        if low[-1] > high[-1]:
            raise pair.problem('[low, high]')
    return low, high
