"""A policy bundle as text: its contract value by value, for a roboticist to check by eye."""

from __future__ import annotations

from ..policy.bundle import Bundle
from ..policy.contract import Chunk, Contract, Normalisation, RecurrentState
from ..policy.fact_source import fact_source
from .show_card import show_card
from .show_terms import input_text, output_text
from .table import facts, number, table
from .words import bytes_text, duration, hertz


def show_bundle(bundle: Bundle, artifact: str = '') -> str:
    """
    Return the bundle's contract as tables.

    :param bundle: the bundle.
    :param artifact: how its artifact compares with the contract, in words.
    """
    contract = bundle.contract
    parts = [_head(bundle, artifact)]
    parts.extend(input_text(bundle, name) for name in contract.inputs)
    parts.extend(output_text(contract, name) for name in contract.outputs)
    parts.extend((_state(contract), _joints(contract), _facts(contract), show_card(bundle)))
    return '\n\n'.join(filter(None, parts))


def _head(bundle: Bundle, signature: str) -> str:
    contract = bundle.contract
    artifact = contract.artifact
    unknown = [key for key, fact in contract.facts.items() if fact.source == 'unknown']
    rate = f'{hertz(contract.period_ns)} (period {contract.period_ns / 1e6:g} ms)'
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
            ('rate', rate + _from(contract, 'period')),
            ('chunks', '' if contract.chunk is None else _chunk(contract.chunk)),
            *(
                (
                    'normalises' if index == 0 else '',
                    _normalisation(one) + _from(contract, 'normalisation', one.input),
                )
                for index, one in enumerate(contract.normalisation)
            ),
            ('UNKNOWN', ', '.join(unknown)),
        )
    )


def _from(contract: Contract, *place: str) -> str:
    """Return where a fact came from, to stand behind it; empty without any facts."""
    if not contract.facts:
        return ''
    found = fact_source(contract, *place)
    return f'  from: {"not said" if found is None else found}'


def _chunk(chunk: Chunk) -> str:
    return (
        f'{chunk.size} actions at once, {duration(chunk.step_ns)} apart, {chunk.execute} of them '
        f'played, {"linear" if chunk.linear else "no"} interpolation'
    )


def _normalisation(settings: Normalisation) -> str:
    return (
        f'{settings.input} by {settings.file}: clip((x - mean) / sqrt(var + '
        f'{settings.epsilon:g}), ±{settings.clip:g})'
    )


def _joints(contract: Contract) -> str:
    """Return what the contract says joint by joint: poses and gains."""
    columns = {
        'default_pose': ('default_pose', contract.default_pose),
        'start_pose': ('start_pose', contract.start_pose),
    }
    if contract.gains is not None:
        columns['stiffness'] = ('gains.stiffness', contract.gains.stiffness)
        columns['damping'] = ('gains.damping', contract.gains.damping)
    given = {name: column for name, column in columns.items() if column[1]}
    if not given:
        return ''
    joints = list(dict.fromkeys(joint for _, values in given.values() for joint in values))
    by_joint = [values for _, values in given.values()]
    rows = [
        (joint, *(number(values[joint]) if joint in values else '' for values in by_joint))
        for joint in joints
    ]
    places = dict.fromkeys(place for place, _ in given.values())
    notes = [
        f'  {place}{_from(contract, *place.split("."))}' for place in places if contract.facts
    ]
    head = 'joints (rad or m; stiffness and damping in their units)'
    return '\n'.join([head, table(('joint', *given), rows), *notes])


def _state(contract: Contract) -> str:
    if not contract.state:
        return ''
    rows = [_state_row(contract, one) for one in contract.state]
    header = ['name', 'array', 'artifact', 'begins with', 'from']
    if not contract.facts:
        header, rows = header[:-1], [row[:-1] for row in rows]
    return 'recurrent state\n' + table(header, rows)


def _state_row(contract: Contract, one: RecurrentState) -> tuple[str, ...]:
    value = one.file or 'zeros'
    source = fact_source(contract, 'state', one.name)
    return (
        one.name,
        f'float32 {list(one.shape)}',
        f'buffer {one.buffer}' if one.buffer else f'{one.input} → {one.output}',
        f'{value}, at the start' if one.keeps else f"{value} at each episode's start",
        'not said' if source is None else source.source,
    )


def _facts(contract: Contract) -> str:
    if not contract.facts:
        return ''
    rows = [
        (key, 'UNKNOWN' if one.source == 'unknown' else one.source, one.detail)
        for key, one in contract.facts.items()
    ]
    return 'where the facts came from\n' + table(('fact', 'from', ''), rows)
