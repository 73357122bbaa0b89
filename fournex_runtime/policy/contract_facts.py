"""
Everything that a contract says, as a flat list of facts: a path and a value in words.

A value of one joint, axis or sector has a path of its own (``….scale[elbow]``), so that two
contracts can be compared fact by fact even where the order of their joints differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from .contract_types import ArrayLayout, Contract, Term
from .installed_terms import observation_kind
from .term_kinds import CONTINUOUS_KINDS

Facts = dict[str, str]


def contract_facts(contract: Contract) -> Facts:
    """Return what a contract says by path, but for its version, in the order of the docs."""
    found = {
        'name': contract.name,
        'description': contract.description,
        'period': f'{contract.period_ns / 1e6:g} ms',
    }
    found.update(_by_joint('default_pose', contract.default_pose))
    found.update(_by_joint('start_pose', contract.start_pose))
    if contract.gains is not None:
        found.update(_by_joint('gains.stiffness', contract.gains.stiffness))
        found.update(_by_joint('gains.damping', contract.gains.damping))
    for side, groups, layouts in (
        ('inputs', contract.inputs, contract.input_layouts),
        ('outputs', contract.outputs, contract.output_layouts),
    ):
        for name, terms in groups.items():
            found.update(_layout(f'{side}.{name}', layouts[name]))
            found[f'{side}.{name} order of terms'] = ', '.join(term.name for term in terms)
            for term in terms:
                path = f'{side}.{name}.{term.name}'
                found.update((f'{path}{key}', text) for key, text in _term(term, side == 'inputs'))
    if contract.chunk is not None:
        chunk = contract.chunk
        found['chunk'] = (
            f'{chunk.size} actions {chunk.step_ns / 1e6:g} ms apart, {chunk.execute} played, '
            f'interpolation {"linear" if chunk.linear else "none"}'
        )
    for one in contract.normalisation:
        found[f'normalisation.{one.input}'] = (
            f'mean_std, clip {number(one.clip)}, epsilon {number(one.epsilon)}'
        )
    for state in contract.state:
        place = state.buffer or f'{state.input} → {state.output}'
        found[f'state.{state.name}'] = (
            f'{list(state.shape)}, {place}, begins with {state.file or "zeros"}, '
            f'reset {"never" if state.keeps else "at each episode"}'
        )
    found['artifact.backend'] = contract.artifact.backend
    found.update((f'facts.{key}', str(fact)) for key, fact in contract.facts.items())
    return {path: text for path, text in found.items() if text}


def number(value: float) -> str:
    """Return a number so that two that differ look different."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _by_joint(path: str, values: Mapping[str, float]) -> Facts:
    return {f'{path}[{joint}]': number(value) for joint, value in values.items()}


def _layout(path: str, layout: ArrayLayout) -> Facts:
    history = ''
    if layout.history > 1:
        first = 'newest' if layout.newest_first else 'oldest'
        history = f'{layout.history} frames, {first} first'
    return {path: f'{layout.dtype} {list(layout.array_shape)}', f'{path} history': history}


def _term(term: Term, observed: bool) -> Iterator[tuple[str, str]]:
    """Return the facts of a term by the end of their path."""
    yield '', term.kind
    yield '.joints' if term.joints else '.values', ', '.join(term.labels)
    yield '.unit', term.unit
    yield '.frame', term.frame
    kind = observation_kind(term.kind) if observed else CONTINUOUS_KINDS[term.command]
    for option in kind.options:
        if term.options[option.key] is not None:
            yield f'.{option.key}', str(option.write(term.options[option.key]))
    if term.history > 1:
        yield '.history', f'{term.history}, {"newest" if term.newest_first else "oldest"} first'
    for index, row in enumerate(term.choices):
        yield f'.actions[{index}]', ', '.join(map(number, row))
    if term.choices or term.kind == 'last_action':  # these take no arithmetic
        return
    for index, label in enumerate(term.labels or map(str, range(len(term.scale)))):
        yield f'.{"relative_to" if observed else "offset"}[{label}]', number(term.offset[index])
        low, high = term.clip[0][index], term.clip[1][index]
        clipped = math.isfinite(low) or math.isfinite(high)
        yield f'.clip[{label}]', f'{_bound(low)} to {_bound(high)}' if clipped else 'none'
        yield f'.scale[{label}]', number(term.scale[index])


def _bound(value: float) -> str:
    return number(value) if math.isfinite(value) else str(value)
