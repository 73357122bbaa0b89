"""
The observation that ``metadata_props`` describe: names; in later versions scale, clip, history.

How many values a term has stands nowhere; it follows from the name, and for one unknown name from
the size of the input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .array_terms import observation_sizes
from .draft import Draft
from .isaac_terms import ask_term, isaac_term, with_names
from .metadata_lists import MetadataLists
from .network_arrays import NetworkArrays
from .questions import Question, choice

TIME_STEP = 'time_step'
"""Input of a tracking policy: how many steps of the motion have passed."""
_VELOCITIES = frozenset(('twist', 'base_velocity', 'velocity'))
_MOTION = {'motion_anchor_pos_b': 3, 'motion_anchor_ori_b': 6}
"""Terms of motion tracking that a node which knows the motion computes, and their sizes."""


def metadata_terms(
    draft: Draft,
    lists: MetadataLists,
    network: NetworkArrays,
    joints: Sequence[str],
    input_name: str,
    action_width: int,
) -> list[dict[str, Any]]:
    """
    Return the terms of the observation, with history, clip and scale of each.

    :param lists: the metadata.
    :param network: the network.
    :param joints: the robot's joints, in the order of the metadata.
    :param input_name: the input that they fill.
    :param action_width: how many values an action has.
    :raises ArtifactError: what the metadata say cannot be.
    """
    listed = lists.texts('observation_names')
    histories = _histories(lists, len(listed))
    widths = _widths(
        lists, listed, histories, network.input(input_name).shape[-1], joints, action_width
    )
    place = f'inputs.{input_name}'
    tracking = any(one.name == TIME_STEP for one in network.inputs)
    terms: list[dict[str, Any]] = []
    upstream: list[str] = []
    for index, (name, width, history) in enumerate(zip(listed, widths, histories)):
        made = _terms(draft, lists, name, width, joints, place, action_width, tracking)
        _arithmetic(draft, lists, made, index, len(listed), f'{place}.{name}', action_width)
        for one in made:
            if history > 1:
                one.update(history=history, order='oldest_first')
        terms.extend(made)
        upstream.extend([name] * len(made))
    return with_names(terms, upstream)


def _histories(lists: MetadataLists, count: int) -> list[int]:
    """Return how many frames each term has; 0 and 1 mean the present one."""
    flat = 'observation_terms_flatten_history_dim'
    found = [1] * count
    for key in ('observation_history_lengths', 'observation_terms_history_length'):
        if key in lists:
            found = [max(1, one) for one in lists.wholes(key, count)]
    if flat in lists:
        for flattened, history in zip(lists.flags(flat, count), found):
            if history > 1 and not flattened:
                raise lists.problem(flat, 'flattened histories', 'one that has an axis of its own')
    return found


def _widths(
    lists: MetadataLists,
    listed: Sequence[str],
    histories: Sequence[int],
    total: int,
    joints: Sequence[str],
    action_width: int,
) -> list[int | None]:
    """Return how many values each term has; where one is not known by name, it has the rest."""
    widths: list[int | None] = []
    for name in listed:
        term = isaac_term(name, None, joints, action_width)
        if name == 'joint_pos':
            widths.append(len(joints))
        elif name == 'command' and _is_velocity(lists):
            widths.append(3)
        elif term is not None:
            widths.append(observation_sizes([term], action_width)[0])
        else:
            widths.append(_MOTION.get(name))
    rest = total - sum(width * n for width, n in zip(widths, histories) if width is not None)
    missing = [index for index, width in enumerate(widths) if width is None]
    if len(missing) == 1 and rest > 0 and rest % histories[missing[0]] == 0:
        widths[missing[0]] = rest // histories[missing[0]]
    elif rest < 0 or (not missing and rest):
        raise lists.problem('observation_names', f'terms of {total} values', f'{total - rest}')
    return widths


def _terms(
    draft: Draft,
    lists: MetadataLists,
    name: str,
    width: int | None,
    joints: Sequence[str],
    place: str,
    action_width: int,
    tracking: bool,
) -> list[dict[str, Any]]:
    """Return the terms that a name stands for; a placeholder while it is asked."""
    where = lists.where('observation_names')
    term = isaac_term(name, width, joints, action_width)
    if name == 'command' and width == 3 and _is_velocity(lists):
        where = lists.where('command_names')
        term = isaac_term('velocity_commands', width, joints, action_width)
    if tracking and (name in _MOTION or name == 'command') and width is not None:
        term = {'term': 'value', 'name': name, 'size': width}
        draft.notes.append(f'{name}: {width} values of the motion, from a node that plays it')
    if name == 'joint_pos' and width == len(joints):
        relative = draft.ask(
            Question(
                f'{place}.{name}.relative_to',
                'what is subtracted from joint positions',
                choice('default_pose', 'zero'),
                'default_pose for mdp.joint_pos_rel, as in the tasks upstream; zero for '
                'mdp.joint_pos',
            )
        )
        term = {'term': 'joint_position', 'joints': list(joints)}
        if relative == 'default_pose':
            term['relative_to'] = 'default_pose'
    if term is not None:
        draft.known(f'{place}.{name}', term['term'], *where)
        return [term]
    asked = ask_term(draft, place, name, width, action_width)
    return asked or [{'term': 'value', 'name': name, 'size': width or 1}]


def _is_velocity(lists: MetadataLists) -> bool:
    """Return whether the one command of the training is a velocity in the plane."""
    return 'command_names' in lists and {*lists.texts('command_names')} <= _VELOCITIES


def _arithmetic(
    draft: Draft,
    lists: MetadataLists,
    terms: list[dict[str, Any]],
    index: int,
    count: int,
    place: str,
    action_width: int,
) -> None:
    """Add the clip and the scale of an entry to its terms."""
    sizes = observation_sizes(terms, action_width)
    scale, clip = 'observation_terms_scale', 'observation_terms_clip'
    factors: Sequence[float] = (1.0,) * sum(sizes)
    bounds: Sequence[float] = (-math.inf, math.inf)
    if scale in lists:
        found = lists.rows(scale, count)[index]
        if len(found) not in (1, sum(sizes)):
            raise lists.problem(scale, f'1 or {sum(sizes)} numbers for {place}', f'{len(found)}')
        factors = found * (sum(sizes) // len(found))
        draft.known(f'{place}.scale', factors, *lists.where(scale))
    if clip in lists:
        bounds = lists.rows(clip, count, infinite=True)[index]
        if len(bounds) != 2:
            raise lists.problem(clip, f'two numbers for {place}', f'{len(bounds)}')
        draft.known(f'{place}.clip', bounds, *lists.where(clip))
    at = 0
    for term, size in zip(terms, sizes):
        part = list(factors[at : at + size])
        at += size
        _add(lists, term, part, bounds)


def _add(
    lists: MetadataLists, term: dict[str, Any], factors: list[float], bounds: Sequence[float]
) -> None:
    ends: Mapping[str, float] = {
        key: end for key, end in zip(('low', 'high'), bounds) if math.isfinite(end)
    }
    scaled = set(factors) != {1.0}
    if term['term'] == 'last_action' and (scaled or ends):
        raise lists.problem(
            'observation_names', 'a last action without clip and scale', f'{factors}, {ends}'
        )
    if scaled:
        term['scale'] = factors
    if ends:
        term['clip'] = dict(ends)
