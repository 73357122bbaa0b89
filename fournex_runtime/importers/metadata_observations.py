"""
The observation that ``metadata_props`` describe: names; in later versions scale, clip, history.

How many values a term has stands nowhere; it follows from the name, and for one unknown name from
the size of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .array_terms import observation_sizes
from .draft import Draft
from .isaac_terms import ask_term, isaac_term
from .metadata_lists import MetadataLists
from .network_arrays import NetworkArrays
from .observation_entries import Entry, contract_terms
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
    entries = []
    for index, (name, width, history) in enumerate(zip(listed, widths, histories)):
        entry = _entry(draft, lists, name, width, joints, place, action_width, tracking)
        entry.history, entry.history_where = history, lists.place(_history_key(lists))
        _add_arithmetic(lists, entry, index, len(listed), action_width)
        entries.append(entry)
    return contract_terms(draft, place, entries, action_width, 'artifact')


def _history_key(lists: MetadataLists) -> str:
    """Return under which key histories stand, in one version or the other."""
    keys = ('observation_terms_history_length', 'observation_history_lengths')
    return next((key for key in keys if key in lists), keys[0])


def _histories(lists: MetadataLists, count: int) -> list[int]:
    """Return how many frames each term has; 0 and 1 mean the present one."""
    flat = 'observation_terms_flatten_history_dim'
    found = [1] * count
    key = _history_key(lists)
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


def _entry(
    draft: Draft,
    lists: MetadataLists,
    name: str,
    width: int | None,
    joints: Sequence[str],
    place: str,
    action_width: int,
    tracking: bool,
) -> Entry:
    """Return what a name stands for, without arithmetic; a placeholder while it is asked."""
    where = lists.place('observation_names')
    term = isaac_term(name, width, joints, action_width)
    if name == 'command' and width == 3 and _is_velocity(lists):
        where = lists.place('command_names')
        term = isaac_term('velocity_commands', width, joints, action_width)
    if tracking and (name in _MOTION or name == 'command') and width is not None:
        term = {'term': 'value', 'name': name, 'size': width}
        draft.notes.append(f'{name}: {width} values of the motion, from a node that plays it')
    if name == 'joint_pos' and width == len(joints):
        relative = draft.ask(
            Question(
                f'{place}.joint_position.relative_to',
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
        return Entry(name, [term], where)
    asked = ask_term(draft, place, name, width, action_width)
    return Entry(name, asked or [{'term': 'value', 'name': name, 'size': width or 1}])


def _is_velocity(lists: MetadataLists) -> bool:
    """Return whether the one command of the training is a velocity in the plane."""
    return 'command_names' in lists and {*lists.texts('command_names')} <= _VELOCITIES


def _add_arithmetic(
    lists: MetadataLists, entry: Entry, index: int, count: int, action_width: int
) -> None:
    """Add the clip and the scale that later versions say for each entry."""
    size = sum(observation_sizes(entry.terms, action_width))
    scale, clip = 'observation_terms_scale', 'observation_terms_clip'
    if scale in lists:
        found = lists.rows(scale, count)[index]
        if len(found) not in (1, size):
            raise lists.problem(scale, f'1 or {size} numbers for {entry.name}', f'{len(found)}')
        entry.scale, entry.scale_where = found * (size // len(found)), lists.place(scale)
    if clip in lists:
        bounds = lists.rows(clip, count, infinite=True)[index]
        if len(bounds) != 2:
            raise lists.problem(clip, f'two numbers for {entry.name}', f'{len(bounds)}')
        entry.clip, entry.clip_where = [(bounds[0], bounds[1])] * size, lists.place(clip)
