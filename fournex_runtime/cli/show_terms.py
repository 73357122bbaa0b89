"""The inputs and outputs of a contract as tables, value by value."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..policy.bundle import Bundle, Statistics
from ..policy.contract import ArrayLayout, Contract, Term
from ..policy.fact_source import array_facts, fact_source, facts_within
from ..policy.installed_terms import observation_kind
from ..policy.term_kinds import CONTINUOUS_KINDS, TermKind
from .table import number, table
from .words import duration, units

Row = dict[str, str]

_NUMBERED = re.compile(r'(sector|value|height)_[0-9_]+')
_SHOWN_POSITIONS = 3
_ONCE = ('term', 'from')
"""Columns that are the same for all values of a term."""


def input_text(bundle: Bundle, name: str) -> str:
    """Return an input: its array, its terms value by value, their options."""
    contract = bundle.contract
    statistics = bundle.statistics.get(name)
    layout, terms = contract.input_layouts[name], contract.inputs[name]
    rows: list[Row] = []
    at = 0
    for term in terms:
        source = term_source(contract, 'inputs', name, term)
        if term.shape:
            rows.append({**_image_row(term), 'from': source})
            continue
        values = [_input_row(term, index, at, statistics) for index in range(term.size)]
        rows.extend({**row, 'from': source} for row in _merged(values))
        at += term.size * term.history
    order = 'value - relative to → clip → × scale → history'
    lines = []
    if statistics is not None:
        order += ' → normalised'
        if any(term.history > 1 for term in terms):
            lines.append('  mean and std are those of the newest value of a history')
    if layout.history > 1:
        first = 'newest' if layout.newest_first else 'oldest'
        lines.append(f'  {layout.history} frames of all of these, {first} first')
    columns = ('at', 'term', 'label', 'unit', 'frame', 'relative to', 'clip', 'scale', 'history',
               'mean', 'std', 'from')  # fmt: skip
    kinds = [observation_kind(term.kind) for term in terms]
    head = f'input {name}: {_array(layout)};  {order}'
    return '\n'.join([head, _table(columns, rows), *_options(terms, kinds), *lines])


def output_text(contract: Contract, name: str) -> str:
    """Return an output: its array, its terms value by value, their options."""
    terms = contract.outputs[name]
    rows: list[Row] = []
    at = 0
    for term in terms:
        source = term_source(contract, 'outputs', name, term)
        if term.choices:
            values = _choice_rows(term, at)
        else:
            values = _merged([_output_row(term, index, at) for index in range(term.size)])
        rows.extend({**row, 'from': source} for row in values)
        at += term.width
    columns = ('at', 'term', 'label', 'unit', 'frame', 'clip', 'scale', 'offset', 'commands',
               'from')  # fmt: skip
    kinds = [CONTINUOUS_KINDS[term.command] for term in terms]
    head = f'output {name}: {_array(contract.output_layouts[name])};  '
    head += 'value → clip → × scale → + offset'
    return '\n'.join([head, _table(columns, rows), *_options(terms, kinds)])


def term_source(contract: Contract, side: str, name: str, term: Term) -> str:
    """
    Return where a term's facts came from, in few words; empty where the contract says nothing.

    That of the term as a whole, then those of its keys that came from elsewhere.
    """
    if not contract.facts:
        return ''
    whole = fact_source(contract, side, name, term.name)
    keys = {**array_facts(contract, side, name), **facts_within(contract, side, name, term.name)}
    known = whole.source if whole is not None else ''
    parts = [] if whole is None else [_loud(known)]
    parts += [f'{key} {_loud(fact.source)}' for key, fact in keys.items() if fact.source != known]
    return ', '.join(parts) or 'not said'


def _loud(source: str) -> str:
    return 'UNKNOWN' if source == 'unknown' else source


def _array(layout: ArrayLayout) -> str:
    return f'{layout.dtype} {list(layout.array_shape)}'


def _options(terms: Sequence[Term], kinds: Sequence[TermKind]) -> list[str]:
    """Return a line for each term that has options which its values do not show."""
    lines = []
    for term, kind in zip(terms, kinds):
        said = [
            f'{option.key} {_option(option.write(term.options[option.key]))}'
            for option in kind.options
            if term.options[option.key] is not None
            and option.key not in _SHOWN.get(kind.name, ('axes',))
        ]
        if said:
            lines.append(f'  {term.name}: {", ".join(said)}')
    return lines


_SHOWN = {
    'image': ('height', 'width', 'channels', 'range'),
    'value': ('size',),
    'last_action': ('of',),
    'clock': ('of',),
}
"""Options that the table shows already, by kind; the axes of all others."""


def _option(value: Any) -> str:
    if isinstance(value, list):
        return f'[{", ".join(map(_option, value))}]'
    if isinstance(value, str) and value.endswith(' ns'):
        return duration(int(value.split()[0]))
    return value if isinstance(value, str) else number(float(value))


def _image_row(term: Term) -> Row:
    options = term.options
    offset, scale = (
        '' if {*row} == {usual} else ', '.join(map(number, row))
        for row, usual in ((term.offset, 0.0), (term.scale, 1.0))
    )
    return {
        'at': 'all',
        'term': _term(term),
        'label': f'{options["channels"]} {options["width"]} x {options["height"]}',
        'unit': str(options['range']),
        'frame': term.frame,
        'relative to': offset,
        'clip': _clip(term, 0) if len({*zip(*term.clip)}) == 1 else 'one a channel',
        'scale': scale,
    }


def _input_row(term: Term, index: int, at: int, statistics: Statistics | None) -> Row:
    positions = [at + past * term.size + index for past in range(term.history)]
    row = {
        'at': _positions(positions),
        'term': _term(term),
        'label': term.labels[index],
        'unit': units(term.unit, term.labels)[index],
        'frame': term.frame,
        'relative to': _unless(term.offset[index], 0.0),
        'clip': _clip(term, index),
        'scale': _unless(term.scale[index], 1.0),
    }
    if term.history > 1:
        row['history'] = f'{term.history}, {"newest" if term.newest_first else "oldest"} first'
    if statistics is not None:
        newest = positions[0] if term.newest_first else positions[-1]
        row['mean'] = number(float(statistics[0][newest]))
        row['std'] = number(math.sqrt(float(statistics[1][newest])))
    return row


def _output_row(term: Term, index: int, at: int) -> Row:
    return {
        'at': str(at + index),
        'term': _term(term),
        'label': term.labels[index],
        'unit': units(term.unit, term.labels)[index],
        'frame': term.frame,
        'clip': _clip(term, index),
        'scale': _unless(term.scale[index], 1.0),
        'offset': _unless(term.offset[index], 0.0),
        'commands': _commands(term, index),
    }


def _choice_rows(term: Term, at: int) -> list[Row]:
    return [
        {
            'at': str(at),
            'term': _term(term),
            'label': f'choice {index}',
            'frame': term.frame,
            'commands': _chosen(term, row),
        }
        for index, row in enumerate(term.choices)
    ]


def _chosen(term: Term, row: Sequence[float]) -> str:
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
    return '' if value == usual else number(float(value))


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


def _merged(rows: list[Row]) -> list[Row]:
    """Put rows of numbered labels (sectors, plain values) that differ in nothing else into one."""
    if len(rows) < 3 or not all(_NUMBERED.fullmatch(row['label']) for row in rows):
        return rows
    own = {'at': '', 'label': ''}
    if any({**row, **own} != {**rows[0], **own} or ',' in row['at'] for row in rows):
        return rows
    first, last = rows[0], rows[-1]
    at, label = (f'{first[key]}{mark}{last[key]}' for key, mark in (('at', '-'), ('label', ' … ')))
    return [{**first, 'at': at, 'label': label}]


def _table(columns: Sequence[str], rows: list[Row]) -> str:
    """Return the table without the columns that say nothing; a term is named once."""
    used = [name for name in columns if any(row.get(name) for row in rows)]
    cells = []
    before = ''
    for row in rows:
        same = row['term'] == before
        before = row['term']
        cells.append(['' if same and name in _ONCE else row.get(name, '') for name in used])
    return table(used, cells)
