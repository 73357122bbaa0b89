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
from .network_file import NetworkFile
from .questions import Question, choice, numbers
from .terms import (
    PlainTerm,
    ask_observation,
    clipped,
    next_name,
    one_or_all,
    refined,
    scaled,
)

OURS = 'isaaclab.envs.mdp.'
"""The module whose functions and classes are known."""

_MOST_VALUES = 1 << 20

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
    draft: Draft, group: Foreign, pose: Mapping[str, float], actions: int, network: NetworkFile
) -> list[PlainTerm] | None:
    """
    Return the terms of a group of observations, in their order; None while something is asked.

    :param draft: takes the facts and questions.
    :param group: the descriptors of the group.
    :param pose: the default pose.
    :param actions: how many values an action has.
    :param network: what takes them.
    :raises ArtifactError: a descriptor says what no contract can say, or is not complete.
    """
    items = group.items()
    place, taken = f'inputs.{network.observation}', network.observations
    draft.facts[place] = Fact('file', group.where)
    reader = _Reader(draft, place, pose, actions)
    found = [reader.terms(one, index) for index, one in enumerate(items)]
    described = sum(width_of(one) * max(1, _history(one)) for one in items)
    missing = 0 if taken is None else taken - described
    if missing < 0:
        raise group.problem(f'{taken} values, which the network takes', f'{described}')
    if missing:
        found = _with_missing(draft, group, found, missing, actions, place)
    if None in found:
        return None
    return [term for one in found if one is not None for term in one]


class _Reader:
    """
    Reads descriptors one after the other.

    :param draft: takes the facts and questions.
    :param place: the input.
    :param pose: the default pose.
    :param actions: how many values an action has.
    """

    def __init__(self, draft: Draft, place: str, pose: Mapping[str, float], actions: int) -> None:
        self._draft = draft
        self._place = place
        self._pose = pose
        self._actions = actions
        self._seen: dict[str, int] = {}

    def terms(self, item: Foreign, index: int) -> list[PlainTerm] | None:
        """Return what a descriptor is; None while it is asked."""
        name, function, width = item['name'].text(), item['full_path'].text(), width_of(item)
        overloads = item['overloads']
        if item['extras'].get('modifiers') is not None:
            raise item['extras']['modifiers'].problem('no modifiers, which no contract can say')
        low, high = _clip(overloads, width)
        history = _remembered(overloads)
        if function == f'{OURS}observations.last_action':
            _check_last_action(item, width, self._actions, clipped(low, high))
            return [{'term': 'last_action', 'of': 'raw', **history}]
        kind = _OBSERVATIONS.get(name) if function == f'{OURS}observations.{name}' else None
        if kind is None:
            return self._asked(item, index, width, (low, high), history)
        scale = self._scale(overloads, f'{self._place}.{next_name(kind, self._seen)}', width)
        joints = _joints(item, width, self._pose)
        return [{'term': kind, **joints, **clipped(low, high), **scaled(scale), **history}]

    def _asked(
        self,
        item: Foreign,
        index: int,
        width: int,
        bounds: tuple[list[float], list[float]],
        history: dict[str, Any],
    ) -> list[PlainTerm] | None:
        name = item['name'].text()
        key = f'{self._place}.{index}.{name}'
        scale = self._scale(item['overloads'], key, width)
        terms = ask_observation(
            self._draft,
            key,
            f'what the {width} values of {item["full_path"].text()} are',
            width,
            self._actions,
            _EXAMPLES.get(name, f'{{term: value, size: {width}, name: {name}}}'),
            _WHY.get(name, f'{item.where}: {_description(item)}'),
            ('clip', 'history'),
            self._place,
        )
        if terms is None:
            return None
        return [{**one, **history} for one in refined(terms, self._actions, scale, *bounds)]

    def _scale(self, overloads: Foreign, key: str, width: int) -> list[float]:
        found = overloads.get('scale')
        if found is None:
            return [1.0] * width
        value = per_value(found, width)
        return list(self._draft.known(f'{key}.scale', value, found.where, numbers(width)))


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


def _check_last_action(item: Foreign, width: int, actions: int, clip: dict[str, Any]) -> None:
    """Refuse what is not all of the last action, as the network gave it."""
    if width != actions:
        raise item['shape'].problem(f'all {actions} values of the action', f'{width} of them')
    scale = item['overloads'].get('scale')
    if clip or (scale is not None and {*per_value(scale, width)} != {1.0}):
        raise item['overloads'].problem(
            'no clip and no scale', 'one of them, which last_action cannot have in a contract'
        )


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
    place: str,
) -> list[list[PlainTerm] | None]:
    """Ask for what Isaac Lab left out: terms whose function has no descriptor, a height scan."""
    names = [f'{index}.{one["name"].text()}' for index, one in enumerate(group.items())]
    after = draft.ask(
        Question(
            f'{place}.missing.after',
            f'after which observation the {missing} values stand that {group.where} lacks',
            choice('nothing', *names),
            'Isaac Lab leaves out what has no descriptor, such as height_scan, and only prints '
            'that; see the order of the observation group in the configuration of the environment',
        )
    )
    terms = ask_observation(
        draft,
        f'{place}.missing.terms',
        f'what those {missing} values are',
        missing,
        actions,
        _EXAMPLES['height_scan'],
        _WHY['height_scan'],
        place=place,
    )
    draft.facts.pop(f'{place}.missing.after', None)  # it says no more than the order of the terms
    at = 0 if after in (None, 'nothing') else names.index(after) + 1
    return [*found[:at], terms, *found[at:]]


def width_of(one: Foreign) -> int:
    """Return how many values a term has, history not counted."""
    (width,) = one['shape'].wholes(1, least=1)
    if width > _MOST_VALUES:
        raise one['shape'].problem(f'at most {_MOST_VALUES} values')
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
