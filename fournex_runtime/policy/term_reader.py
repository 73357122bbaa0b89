"""Reads the terms of a contract: their joints, their options and their arithmetic."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

from ..configuration import Section
from ..errors import ContractError
from .contract_types import Floats, Term
from .installed_terms import is_custom, observation_kind
from .options import MOST_FRAMES
from .term_kinds import CONTINUOUS_KINDS, DISCRETE, TermKind


class TermReader:
    """
    Reads terms one after the other, and remembers the joints that ``same`` refers to.

    :param pose: the default pose, by joint.
    """

    def __init__(self, pose: Mapping[str, float]) -> None:
        self._pose = pose
        self._joints: tuple[str, ...] = ()

    def observation(self, section: Section, kinds: Mapping[str, TermKind]) -> Term:
        """Read an observation term; ``last_action`` is sized once the outputs are known."""
        kind = _kind(section, kinds)
        if not kind.arithmetic:
            for key in ('clip', 'scale', 'relative_to'):
                if key in section:
                    raise section.problem(key, f'{kind.name} takes no such key')
        term = self._term(section, kind, 'relative_to')
        history = section.integer('history', 1, least=1, most=MOST_FRAMES)
        newest_first = False
        if history > 1:
            if term.shape:
                raise section.problem(
                    'history', f'frames of an {kind.name} are stacked by the input: put history: '
                    'and history_layout: time beside its terms:'
                )  # fmt: skip
            newest_first = history_order(section)
        section.finish()
        return dataclasses.replace(term, history=history, newest_first=newest_first)

    def action(self, section: Section, kinds: Mapping[str, TermKind]) -> Term:
        """Read an action term."""
        kind = kinds[section.choice('term', tuple(kinds))]
        term = self._choice(section) if kind.name == DISCRETE else self._term(section, kind)
        section.finish()
        return term

    def _choice(self, section: Section) -> Term:
        """Read an action that is an index into a table of commands."""
        stands_for = CONTINUOUS_KINDS[section.choice('as', tuple(CONTINUOUS_KINDS))]
        for key in ('clip', 'scale', 'offset'):
            if key in section:
                raise section.problem(key, 'a discrete action takes no such key: see actions')
        term = self._term(section, stands_for)
        choices = section.rows('actions')
        for index, row in enumerate(choices):
            if len(row) != term.size:
                raise section.problem(
                    'actions', f'action {index} has {len(row)} numbers, expected {term.size}: '
                    f'{", ".join(term.labels)}'
                )  # fmt: skip
        if len(choices) < 2:
            raise section.problem('actions', 'expected at least two to choose from')
        return dataclasses.replace(
            term,
            name=section.text('name', DISCRETE),
            kind=DISCRETE,
            options={**term.options, 'as': stands_for.name},
            choices=choices,
        )

    def _term(self, section: Section, kind: TermKind, offset: str = 'offset') -> Term:
        joints = self._term_joints(section) if kind.joints else ()
        options = kind.read_options(section)
        labels = kind.labels(joints, options)
        shape = kind.shape(options) if kind.shape is not None else ()
        size = len(labels)
        if shape:  # an image has one number a channel
            size = shape[0] if options['layout'] == 'chw' else shape[-1]
        name = section.text('name', kind.name)
        if not re.fullmatch(r'[^/\s][^/]*', name):
            raise section.problem('name', f'{name!r} is no name of a term: it must have no /')
        return Term(
            name=name,
            kind=kind.name,
            labels=labels,
            joints=joints,
            unit=section.text('unit', kind.unit),
            frame=section.text('frame', ''),
            options=options,
            clip=self._clip(section, size),
            scale=_per_value(section, 'scale', size, 1.0),
            offset=self._offset(section, offset, joints, size),
            shape=shape,
        )

    def _term_joints(self, section: Section) -> tuple[str, ...]:
        if not section.is_list('joints') and section.text('joints', 'none') == 'same':
            if not self._joints:
                raise section.problem('joints', 'no term before this one lists its joints')
            return self._joints
        joints = section.texts('joints')
        if not joints or len(set(joints)) != len(joints):
            raise section.problem('joints', 'expected at least one joint, each only once')
        self._joints = joints
        return joints

    def _clip(self, section: Section, size: int) -> tuple[Floats, Floats]:
        """Read ``clip: [low, high]``, or a mapping ``{low: …, high: …}`` of one number a value."""
        if 'clip' not in section:
            return (-math.inf,) * size, (math.inf,) * size
        if section.is_mapping('clip'):
            nested = section.section('clip')
            low = _per_value(nested, 'low', size, -math.inf)
            high = _per_value(nested, 'high', size, math.inf)
            nested.finish()
        else:
            bounds = section.numbers('clip')
            if len(bounds) != 2:
                raise section.problem('clip', f'expected [low, high], found {len(bounds)} numbers')
            low, high = (bounds[0],) * size, (bounds[1],) * size
        if any(a > b for a, b in zip(low, high, strict=True)):
            raise section.problem('clip', 'a low bound lies above its high bound')
        return low, high

    def _offset(self, section: Section, key: str, joints: tuple[str, ...], size: int) -> Floats:
        if key in section and not section.is_list(key) and section.text(key) == 'default_pose':
            missing = [joint for joint in joints if joint not in self._pose]
            if missing or not joints:
                what = f'lacks {", ".join(missing)}' if joints else 'needs a term with joints'
                raise section.problem(key, f'default_pose {what}')
            return tuple(self._pose[joint] for joint in joints)
        return _per_value(section, key, size, 0.0)


def _kind(section: Section, kinds: Mapping[str, TermKind]) -> TermKind:
    if not is_custom(section.text('term', '')):
        return kinds[section.choice('term', tuple(kinds))]
    try:
        return observation_kind(section.text('term'))
    except ContractError as problem:
        raise section.problem('term', str(problem)) from problem


def fill_last_action(term: Term, labels: tuple[str, ...]) -> Term:
    """Return a term with the labels of the actions, if it is a ``last_action``."""
    if term.kind != 'last_action':
        return term
    size = len(labels)
    infinite = ((-math.inf,) * size, (math.inf,) * size)
    return dataclasses.replace(
        term, labels=labels, clip=infinite, scale=(1.0,) * size, offset=(0.0,) * size
    )


def history_order(section: Section) -> bool:
    """Read the order of a history; it must be said."""
    return section.choice('order', ('oldest_first', 'newest_first')) == 'newest_first'


def _per_value(section: Section, key: str, size: int, default: float) -> Floats:
    if key not in section:
        return (default,) * size
    numbers = section.numbers(key)
    if not section.is_list(key):
        return numbers * size
    if len(numbers) != size:
        raise section.problem(
            key, f'expected a number for all, or a list of {size}; found a list of {len(numbers)}'
        )
    return numbers
