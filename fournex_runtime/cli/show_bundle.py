"""A policy bundle as text: its contract value by value, for a roboticist to check by eye."""

from __future__ import annotations

import math
import re

import numpy as np

from ..policy.bundle import Bundle, Statistics
from ..policy.contract import ArrayLayout, Normalisation, RecurrentState, Term
from .show_card import show_card
from .table import facts, number, table
from .words import bytes_text, hertz, units

Cells = tuple[str, ...]

_NUMBERED = re.compile(r'(sector|value)_[0-9]+')
_SHOWN_POSITIONS = 3


def show_bundle(bundle: Bundle, artifact: str = '') -> str:
    """
    Return the bundle's contract as tables.

    :param bundle: the bundle.
    :param artifact: how its artifact compares with the contract, in words.
    """
    contract = bundle.contract
    parts = [_head(bundle, artifact)]
    for name in contract.inputs:
        parts.append(_input(bundle, name))
    for name, terms in contract.outputs.items():
        parts.append(_output(name, contract.output_layouts[name], terms))
    if contract.state:
        parts.append(_state(contract.state))
    if contract.default_pose:
        rows = [(joint, number(value)) for joint, value in contract.default_pose.items()]
        parts.append('default_pose\n' + table(('joint', 'rad or m'), rows))
    if contract.facts:
        parts.append(
            'where the facts came from\n'
            + table(('fact', 'source'), [(key, str(one)) for key, one in contract.facts.items()])
        )
    parts.append(show_card(bundle))
    return '\n\n'.join(filter(None, parts))


def _head(bundle: Bundle, signature: str) -> str:
    contract = bundle.contract
    artifact = contract.artifact
    return facts(
        (
            ('policy', contract.reference),
            ('', contract.description),
            ('bundle', f'{bundle.folder}  sha256 {bundle.sha256}'),
            (
                'artifact',
                f'{artifact.file}  {bytes_text(len(bundle.artifact))}, {artifact.backend}, '
                f'sha256 {artifact.sha256[:12]}… checked',
            ),
            ('arrays', signature),
            ('rate', f'{hertz(contract.period_ns)} (period {contract.period_ns / 1e6:g} ms)'),
            *(
                ('normalises' if index == 0 else '', _normalisation(one))
                for index, one in enumerate(contract.normalisation)
            ),
        )
    )


def _normalisation(settings: Normalisation) -> str:
    return (
        f'{settings.input} by {settings.file}: clip((x - mean) / sqrt(var + '
        f'{settings.epsilon:g}), ±{settings.clip:g})'
    )


def _input(bundle: Bundle, name: str) -> str:
    contract = bundle.contract
    statistics = bundle.statistics.get(name)
    columns = {
        'at': 0,
        'term': 1,
        'label': 2,
        'unit': 3,
        'frame': 4,
        'relative to': 5,
        'clip': 6,
        'scale': 7,
        'history': 8,
        'mean': 9,
        'std': 10,
    }
    rows: list[Cells] = []
    at = 0
    layout = contract.input_layouts[name]
    for term in contract.inputs[name]:
        if term.shape:
            rows.append(_image_row(term))
            continue
        rows.extend(
            _merged([_input_row(term, index, at, statistics) for index in range(term.size)])
        )
        at += term.size * term.history
    order = 'value - relative to → clip → × scale → history' + (
        ' → normalised' if statistics is not None else ''
    )
    note = ''
    if statistics is not None and any(term.history > 1 for term in contract.inputs[name]):
        note = '\n  mean and std are those of the newest value of a history'
    if layout.history > 1:
        first = 'newest' if layout.newest_first else 'oldest'
        note += f'\n  {layout.history} frames of all of these, {first} first'
    return f'input {name}: {_array(layout)};  {order}\n' + _shown(columns, rows) + note


def _array(layout: ArrayLayout) -> str:
    return f'{layout.dtype} {list(layout.array_shape)}'


def _image_row(term: Term) -> Cells:
    options = term.options
    size = f'{options["channels"]} {options["width"]} x {options["height"]}, {options["layout"]}'
    offset, scale = (
        '' if {*row} == {usual} else ', '.join(map(number, row))
        for row, usual in ((term.offset, 0.0), (term.scale, 1.0))
    )
    return ('all', _term(term), size, options['range'], term.frame, offset, '', scale, '', '', '')


def _input_row(term: Term, index: int, at: int, statistics: Statistics | None) -> Cells:
    positions = [at + past * term.size + index for past in range(term.history)]
    mean = std = ''
    if statistics is not None:
        newest = positions[0] if term.newest_first else positions[-1]
        mean = number(float(statistics[0][newest]))
        std = number(math.sqrt(float(statistics[1][newest])))
    history = ''
    if term.history > 1:
        history = f'{term.history}, {"newest" if term.newest_first else "oldest"} first'
    return (
        _positions(positions),
        _term(term),
        term.labels[index],
        units(term.unit, term.labels)[index],
        term.frame,
        _unless(term.offset[index], 0.0),
        _clip(term, index),
        _unless(term.scale[index], 1.0),
        history,
        mean,
        std,
    )


def _output(name: str, layout: ArrayLayout, terms: tuple[Term, ...]) -> str:
    columns = {
        'at': 0,
        'term': 1,
        'label': 2,
        'unit': 3,
        'frame': 4,
        'clip': 5,
        'scale': 6,
        'offset': 7,
        'commands': 8,
    }
    rows: list[Cells] = []
    at = 0
    for term in terms:
        if term.choices:
            rows.extend(_choice_rows(term, at))
            at += term.width
            continue
        rows.extend(
            _merged(
                [
                    (
                        str(at + index),
                        _term(term),
                        term.labels[index],
                        units(term.unit, term.labels)[index],
                        term.frame,
                        _clip(term, index),
                        _unless(term.scale[index], 1.0),
                        _unless(term.offset[index], 0.0),
                        _commands(term, index),
                    )
                    for index in range(term.size)
                ]
            )
        )
        at += term.size
    arithmetic = 'value → clip → × scale → + offset'
    return f'output {name}: {_array(layout)};  {arithmetic}\n' + _shown(columns, rows)


def _choice_rows(term: Term, at: int) -> list[Cells]:
    return [
        (str(at), _term(term), f'choice {index}', '', term.frame, '', '', '', _chosen(term, row))
        for index, row in enumerate(term.choices)
    ]


def _chosen(term: Term, row: tuple[float, ...]) -> str:
    return ', '.join(f'{label} {number(value)}' for label, value in zip(term.labels, row))


def _term(term: Term) -> str:
    """Return the term's name, with its kind where that differs."""
    name = term.name if term.name == term.kind else f'{term.name} ({term.kind})'
    return f'{name}, {term.options["of"]}' if term.kind == 'last_action' else name


def _positions(positions: list[int]) -> str:
    if len(positions) <= _SHOWN_POSITIONS:
        return ','.join(map(str, positions))
    return f'{positions[0]},{positions[1]},…,{positions[-1]}'


def _unless(value: float, usual: float) -> str:
    return '' if value == usual else number(value)


def _clip(term: Term, index: int) -> str:
    low, high = term.clip[0][index], term.clip[1][index]
    return '' if math.isinf(low) and math.isinf(high) else f'[{number(low)}, {number(high)}]'


def _commands(term: Term, index: int) -> str:
    """Return the range of commands that the contract allows."""
    ends = np.array([term.clip[0][index], term.clip[1][index]])
    low, high = sorted((ends * term.scale[index] + term.offset[index]).tolist())
    if math.isinf(low) and math.isinf(high):
        return 'anything'
    return f'{number(low)} to {number(high)}'


def _merged(rows: list[Cells]) -> list[Cells]:
    """Put rows of numbered labels (sectors, plain values) that differ in nothing else into one."""
    if len(rows) < 3 or not all(_NUMBERED.fullmatch(row[2]) for row in rows):
        return rows
    if any(row[3:] != rows[0][3:] or ',' in row[0] for row in rows):
        return rows
    first, last = rows[0], rows[-1]
    return [(f'{first[0]}-{last[0]}', first[1], f'{first[2]} … {last[2]}', *first[3:])]


def _shown(columns: dict[str, int], rows: list[Cells]) -> str:
    """Return the table without the columns that say nothing; a term is named once."""
    used = {name: index for name, index in columns.items() if any(row[index] for row in rows)}
    named = []
    before = ''
    for row in rows:
        cells = list(row)
        if cells[1] == before:
            cells[1] = ''
        before = row[1]
        named.append([cells[index] for index in used.values()])
    return table(list(used), named)


def _state(state: tuple[RecurrentState, ...]) -> str:
    rows = [
        (
            one.name,
            f'float32 {list(one.shape)}',
            f'{one.input} → {one.output}',
            f'{one.file or "zeros"}, at the start'
            if one.keeps
            else f"{one.file or 'zeros'} at each episode's start",
        )
        for one in state
    ]
    return 'recurrent state\n' + table(('name', 'array', 'artifact', 'begins with'), rows)
