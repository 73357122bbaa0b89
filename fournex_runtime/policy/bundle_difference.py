"""What differs between two bundles: contract, statistics, first states, card, network."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import FournexError
from .backend import ArraySpec, Backend, load_backend, signature
from .bundle import Bundle
from .card import ModelCard
from .contract import Contract
from .contract_facts import contract_facts, number
from .contract_types import DATA_BACKENDS

ASKED = 100
"""On how many made-up observations two networks are compared."""
ABSENT = '—'
_ONE_VALUE = re.compile(r'(.*)\[(.*)\]')

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Difference:
    """
    One fact that differs.

    :param where: path in the contract, the card or the statistics.
    :param before: in the first bundle; ``—`` where it does not have it.
    :param after: in the second bundle, likewise.
    """

    where: str
    before: str
    after: str


def differences(before: Bundle, after: Bundle) -> list[Difference]:
    """Return what differs, but for the networks themselves, in the order of the contract."""
    found = [
        *compared(contract_facts(before.contract), contract_facts(after.contract)),
        *_statistics(before, after),
        *_first_states(before, after),
        *compared(_card_facts(before.card), _card_facts(after.card)),
    ]
    return [one for one in found if one.before != one.after]


def network_difference(before: Bundle, after: Bundle) -> str:
    """
    Return how the networks differ, in words; empty for the same file under the same backend.

    Networks that are data are run on the same made-up observations.
    """
    ours, theirs = before.contract, after.contract
    if (ours.artifact.sha256, ours.artifact.backend) == (
        theirs.artifact.sha256,
        theirs.artifact.backend,
    ):
        return ''
    other = (
        f'other files: {ours.artifact.file} {ours.artifact.sha256[:12]}…, '
        f'{theirs.artifact.file} {theirs.artifact.sha256[:12]}…'
    )
    if not {ours.artifact.backend, theirs.artifact.backend} <= set(DATA_BACKENDS):
        return f'{other}; not run: what torch runs is a program'
    if signature(ours) != signature(theirs):
        return f'{other}, with other arrays'
    try:
        apart = _largest_difference(before, after)
    except FournexError as problem:
        return f'{other}; not run: {problem}'
    if apart == 0.0:
        return f'{other}, that answer the same to the bit on {ASKED} made-up observations'
    return f'{other}; on {ASKED} made-up observations their outputs differ by up to {apart:.3g}'


def compared(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    """
    Compare fact by fact.

    Where every value of a term changes alike, that is one difference, and so is a term that only
    one of them has.
    """
    found = {
        path: Difference(path, before.get(path, ABSENT), after.get(path, ABSENT))
        for path in dict.fromkeys([*before, *after])
    }
    alone = tuple(
        path + end for path, one in found.items() if ABSENT in (one.before, one.after)
        for end in '. '
    )  # fmt: skip
    found = {path: one for path, one in found.items() if not path.startswith(alone)}
    values: dict[str, list[Difference]] = {}
    for path, one in found.items():
        match = _ONE_VALUE.fullmatch(path)
        if match:
            values.setdefault(match[1], []).append(one)
    told = set()
    for path, one in found.items():
        match = _ONE_VALUE.fullmatch(path)
        every = values[match[1]] if match else []
        if match and len(every) > 1 and len({(v.before, v.after) for v in every}) == 1:
            if match[1] not in told:
                told.add(match[1])
                yield dataclasses.replace(one, where=match[1])
            continue
        yield one


def _statistics(before: Bundle, after: Bundle) -> Iterator[Difference]:
    """Compare means and variances; of those that differ, the one that changed most is told."""
    for name, (mean, var) in before.statistics.items():
        other = after.statistics.get(name)
        if other is None or other[0].shape != mean.shape:
            continue  # the contract's own facts say so
        labels = input_labels(before.contract, name)
        spread = np.sqrt(np.maximum(var, 1e-12))
        yield from _most(f'normalisation.{name}.mean', labels, mean, other[0], spread)
        deviations = np.sqrt(var), np.sqrt(other[1])
        yield from _most(f'normalisation.{name}.std', labels, *deviations, spread)


def _most(
    where: str, labels: list[str], before: Floats, after: Floats, spread: Floats
) -> Iterator[Difference]:
    changed = int(np.count_nonzero(before != after))
    if changed:
        at = int(np.argmax(np.abs(after - before) / spread))
        note = '' if changed == 1 else f', most of {changed} that changed'
        path = f'{where}[{labels[at]}{note}]'
        yield Difference(path, number(float(before[at])), number(float(after[at])))


def input_labels(contract: Contract, name: str) -> list[str]:
    """Return a name for each value of an input as it lies in the array, history included."""
    layout = contract.input_layouts[name]
    labels = [
        f'{term.name} {label}' + (f' {past}' if term.history > 1 else '')
        for term in contract.inputs[name]
        for past in range(term.history)
        for label in term.labels
    ]
    if layout.history > 1:
        labels = [f'{one} {frame}' for frame in range(layout.history) for one in labels]
    return labels if len(labels) == layout.size else [f'value {i}' for i in range(layout.size)]


def _first_states(before: Bundle, after: Bundle) -> Iterator[Difference]:
    for name, value in before.initial_state.items():
        other = after.initial_state.get(name)
        if other is not None and other.shape == value.shape and other.tobytes() != value.tobytes():
            apart = float(np.abs(other - value).max())
            yield Difference(
                f'state.{name}.initial', 'its values', f'others, by up to {apart:.3g}'
            )


def _card_facts(card: ModelCard | None) -> dict[str, str]:
    if card is None:
        return {}
    found = {'card.task': card.task}
    training = card.tree().get('training', {})
    found.update((f'card.training.{key}', str(one)) for key, one in training.items())
    found.update((f'card.limits {i}', one) for i, one in enumerate(card.limits, 1))
    found.update((f'card.evaluation: {one.how}', one.outcome) for one in card.evaluation)
    found['card.approved'] = 'nobody' if card.approved is None else str(card.approved)
    return found


def _largest_difference(before: Bundle, after: Bundle) -> float:
    """Return by how much raw outputs differ at most, each observation in a fresh episode."""
    backends = [load_backend(before), load_backend(after)]
    try:
        spec, random = signature(before.contract), np.random.default_rng(0)
        apart = 0.0
        for _ in range(ASKED):
            inputs = {one.name: _made_up(one, random) for one in spec.inputs}
            ours, theirs = (
                _outputs(backend, bundle, inputs)
                for backend, bundle in zip(backends, (before, after))
            )
            for one in spec.outputs:
                apart = max(apart, float(np.abs(ours[one.name] - theirs[one.name]).max()))
        return apart
    finally:
        for backend in backends:
            backend.close()


def _outputs(
    backend: Backend, bundle: Bundle, inputs: Mapping[str, NDArray[np.generic]]
) -> dict[str, Floats]:
    state = {
        one.name: bundle.initial_state.get(one.name, np.zeros(one.shape, np.float32))
        for one in bundle.contract.state
    }
    outputs, _ = backend.run(inputs, state)
    return {name: np.asarray(array, np.float64) for name, array in outputs.items()}


def _made_up(spec: ArraySpec, random: np.random.Generator) -> NDArray[np.generic]:
    if spec.dtype == 'uint8':
        return random.integers(0, 256, spec.shape, np.uint8)
    if spec.dtype == 'int64':
        return np.zeros(spec.shape, np.int64)  # an index, whose bound nobody has said
    return random.standard_normal(spec.shape).astype(spec.dtype)
