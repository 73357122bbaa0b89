"""A contract as canonical YAML: everything said, nothing by default; read again it is equal."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import yaml

from .contract_types import ArrayLayout, Contract, Floats, RecurrentState, Term
from .installed_terms import observation_kind
from .term_kinds import ACTION_KINDS, CONTINUOUS_KINDS, DISCRETE


def contract_text(contract: Contract) -> str:
    """Return the canonical YAML of a contract."""
    text: str = yaml.dump(
        contract_tree(contract),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=99,
    )
    return text


def contract_tree(contract: Contract) -> dict[str, Any]:
    """Return a contract as plain mappings, lists, texts and numbers, in the order of the docs."""
    tree: dict[str, Any] = {'name': contract.name, 'version': contract.version}
    if contract.description:
        tree['description'] = contract.description
    tree['period'] = _duration(contract.period_ns)
    for key in ('default_pose', 'start_pose'):
        if getattr(contract, key):
            tree[key] = dict(getattr(contract, key))
    if contract.gains is not None:
        tree['gains'] = {
            'stiffness': dict(contract.gains.stiffness),
            'damping': dict(contract.gains.damping),
        }
    tree['inputs'] = {
        name: _array(contract.input_layouts[name], [_observation(term) for term in terms])
        for name, terms in contract.inputs.items()
    }
    tree['outputs'] = {
        name: _array(contract.output_layouts[name], [_action(term) for term in terms])
        for name, terms in contract.outputs.items()
    }
    if contract.chunk is not None:
        tree['chunk'] = {
            'size': contract.chunk.size,
            'step': _duration(contract.chunk.step_ns),
            'execute': contract.chunk.execute,
            'interpolation': 'linear' if contract.chunk.linear else 'none',
        }
    if contract.normalisation:
        every = [{'kind': 'mean_std', **dataclasses.asdict(one)} for one in contract.normalisation]
        tree['normalisation'] = every[0] if len(every) == 1 else every
    if contract.state:
        tree['state'] = {one.name: _state(one) for one in contract.state}
    artifact = contract.artifact
    tree['artifact'] = {
        'file': artifact.file,
        'sha256': artifact.sha256,
        'backend': artifact.backend,
    }
    if contract.card is not None:
        tree['card'] = dataclasses.asdict(contract.card)
    if contract.facts:
        tree['facts'] = {
            name: {'from': fact.source, **({'detail': fact.detail} if fact.detail else {})}
            for name, fact in contract.facts.items()
        }
    return tree


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml has no types
    """Writes no aliases, and numbers so that the same bits are read again."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    text = repr(value)
    if 'e' in text and '.' not in text:  # or YAML 1.1 would not see a number
        text = text.replace('e', '.0e')
    return dumper.represent_scalar('tag:yaml.org,2002:float', text)


_Dumper.add_representer(float, _float)


def _duration(value_ns: int) -> str:
    for unit, length in (('s', 10**9), ('ms', 10**6), ('us', 10**3)):
        if value_ns % length == 0:
            return f'{value_ns // length} {unit}'
    return f'{value_ns} ns'


def _array(layout: ArrayLayout, terms: list[dict[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {
        'shape': list(layout.shape),
        'dtype': layout.dtype,
        'batch': layout.batch,
    }
    if layout.history > 1:
        tree['history'] = layout.history
        tree['history_layout'] = 'time'
        tree['order'] = _order(layout.newest_first)
    tree['terms'] = terms
    return tree


def _observation(term: Term) -> dict[str, Any]:
    tree = _head(term)
    kind = observation_kind(term.kind)
    for option in kind.options:
        if term.options[option.key] is not None:
            tree[option.key] = option.write(term.options[option.key])
    if kind.arithmetic:
        tree.update(_arithmetic(term, 'relative_to'))
    if term.history > 1:
        tree['history'] = term.history
        tree['order'] = _order(term.newest_first)
    return tree


def _action(term: Term) -> dict[str, Any]:
    tree = _head(term)
    if term.kind == DISCRETE:
        tree['as'] = term.command
    for option in CONTINUOUS_KINDS[term.command].options:
        tree[option.key] = option.write(term.options[option.key])
    if term.kind == DISCRETE:
        tree['actions'] = [list(row) for row in term.choices]
    else:
        tree.update(_arithmetic(term, 'offset'))
    return tree


def _head(term: Term) -> dict[str, Any]:
    tree: dict[str, Any] = {'term': term.kind, 'name': term.name}
    if term.joints:
        tree['joints'] = list(term.joints)
    kind = ACTION_KINDS.get(term.kind) or observation_kind(term.kind)
    if term.unit or kind.unit:
        tree['unit'] = term.unit
    if term.frame:
        tree['frame'] = term.frame
    return tree


def _arithmetic(term: Term, offset: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    if any(term.offset):
        tree[offset] = list(term.offset)
    bounds: dict[str, Floats] = dict(zip(('low', 'high'), term.clip))
    given = {key: list(row) for key, row in bounds.items() if any(map(math.isfinite, row))}
    if given:
        tree['clip'] = given
    if any(factor != 1.0 for factor in term.scale):
        tree['scale'] = list(term.scale)
    return tree


def _state(one: RecurrentState) -> dict[str, Any]:
    place = {'buffer': one.buffer} if one.buffer else {'input': one.input, 'output': one.output}
    return {
        'shape': list(one.shape),
        **place,
        'initial': {'file': one.file, 'sha256': one.sha256} if one.file else 'zeros',
        'reset': 'never' if one.keeps else 'episode',
    }


def _order(newest_first: bool) -> str:
    return 'newest_first' if newest_first else 'oldest_first'
