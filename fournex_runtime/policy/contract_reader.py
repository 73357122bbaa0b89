"""Reads ``policy.yaml`` into a :class:`~fournex_runtime.policy.contract_types.Contract`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..configuration import Section
from .contract_types import (
    FACT_SOURCES,
    FILE_SOURCE,
    ArrayLayout,
    Chunk,
    Contract,
    Fact,
    Gains,
    Term,
)
from .files_reader import read_artifact, read_card, read_normalisation, read_state
from .layout_reader import declared, input_layout, output_layout, with_history
from .options import MOST_FRAMES, finite_duration_ns
from .term_kinds import ACTION_KINDS, DISCRETE, OBSERVATION_KINDS
from .term_reader import TermReader, fill_last_action

Layouts = dict[str, ArrayLayout]
Groups = dict[str, tuple[Term, ...]]


class ContractReader:
    """
    Reads one contract.

    :param section: the whole file.
    :param text: its text.
    """

    def __init__(self, section: Section, text: str) -> None:
        self._section = section
        self._text = text
        self._pose: dict[str, float] = {}
        self._terms = TermReader(self._pose)

    def contract(self) -> Contract:
        """
        Return the contract.

        :raises ContractError: it is not valid.
        """
        section = self._section
        self._pose.update(_by_joint(section, 'default_pose'))
        name = section.text('name')
        if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_.-]*', name):
            raise section.problem('name', f'{name!r} is not a name of letters, digits, _ . and -')
        version = section.integer('version', least=1)
        period_ns = finite_duration_ns(section, 'period')
        inputs, input_layouts, outputs, output_layouts, chunk = self._arrays(period_ns)
        contract = Contract(
            name=name,
            version=version,
            description=section.text('description', ''),
            period_ns=period_ns,
            inputs=inputs,
            input_layouts=input_layouts,
            outputs=outputs,
            output_layouts=output_layouts,
            chunk=chunk,
            normalisation=read_normalisation(section, input_layouts),
            state=read_state(section),
            default_pose=self._pose,
            start_pose=self._start_pose(),
            gains=self._gains(),
            artifact=read_artifact(section),
            card=read_card(section),
            facts=_facts(section),
            text=self._text,
        )
        self._check_arrays(contract)
        self._check_files(contract)
        section.finish()
        return contract

    def _arrays(self, period_ns: int) -> tuple[Groups, Layouts, Groups, Layouts, Chunk | None]:
        """Read inputs, then outputs; then what of the inputs depends on the outputs."""
        output_side = self._section.section('outputs')
        input_side = self._section.section('inputs')
        inputs, outputs, seen = {}, {}, {}
        for key in input_side.keys():
            given, items = declared(input_side, key, True)
            terms = [self._terms.observation(item, OBSERVATION_KINDS) for item in items]
            inputs[key] = [with_history(term, given) for term in terms]
            seen[key] = given
        output_layouts: Layouts = {}
        shapes = {}
        for key in output_side.keys():
            shapes[key], items = declared(output_side, key, False)
            outputs[key] = tuple(self._terms.action(item, ACTION_KINDS) for item in items)
        labels = tuple(label for terms in outputs.values() for label in _action_labels(terms))
        filled = {
            key: tuple(fill_last_action(term, labels) for term in terms)
            for key, terms in inputs.items()
        }
        for side, groups in (('inputs', filled), ('outputs', outputs)):
            self._check_names(side, groups)
        chunk = self._chunk(period_ns, outputs)
        for key, given in shapes.items():
            output_layouts[key] = output_layout(given, outputs[key], chunk)
        input_layouts = {key: input_layout(given, filled[key]) for key, given in seen.items()}
        return filled, input_layouts, outputs, output_layouts, chunk

    def _chunk(self, period_ns: int, outputs: Groups) -> Chunk | None:
        section = self._section.optional_section('chunk')
        if section is None:
            return None
        size = section.integer('size', least=1, most=MOST_FRAMES)
        chunk = Chunk(
            size,
            finite_duration_ns(section, 'step'),
            section.integer('execute', least=1),
            section.choice('interpolation', ('none', 'linear')) == 'linear',
        )
        if chunk.execute > size:
            message = f'expected at most size {size}, found {chunk.execute}'
            raise section.problem('execute', message)
        if chunk.execute * chunk.step_ns % period_ns:
            raise section.problem(
                'execute', f'{chunk.execute} steps of {chunk.step_ns / 1e6:g} ms are no whole '
                f'number of periods of {period_ns / 1e6:g} ms'
            )  # fmt: skip
        if chunk.linear and any(t.kind == DISCRETE for terms in outputs.values() for t in terms):
            raise section.problem('interpolation', 'there is nothing between two choices')
        section.finish()
        return chunk

    def _check_arrays(self, contract: Contract) -> None:
        """Refuse two arrays of one name on one side of the artifact."""
        passed = [one for one in contract.state if not one.buffer]
        kept = [one.buffer for one in contract.state if one.buffer]
        takes = [*contract.inputs, *(one.input for one in passed)]
        gives = [*contract.outputs, *(one.output for one in passed)]
        if kept and contract.artifact.backend == 'onnx':
            raise self._section.problem(
                'state', f'buffer {kept[0]}: an ONNX model has none; name its input: and output:'
            )
        for side, names in (('input', takes), ('output', gives), ('buffer', kept)):
            for name in names:
                if names.count(name) > 1:
                    raise self._section.problem(
                        'state', f'the artifact cannot have two {side}s called {name}'
                    )

    def _check_files(self, contract: Contract) -> None:
        """Refuse one file for two purposes: each has a hash of its own."""
        named = [name for name, _ in contract.named_files]
        for name in named:
            if named.count(name) > 1:
                raise self._section.problem('', f'the file {name} is named twice; use two files')

    def _check_names(self, side: str, groups: Mapping[str, Sequence[Term]]) -> None:
        if not groups or not all(groups.values()):
            raise self._section.problem(side, 'expected at least one, each with at least one term')
        seen: set[str] = set()
        for term in (term for terms in groups.values() for term in terms):
            if term.name in seen:
                message = f'two terms are called {term.name}; give one of them a name: of its own'
                raise self._section.problem(side, message)
            seen.add(term.name)

    def _start_pose(self) -> Mapping[str, float]:
        section = self._section
        if 'start_pose' in section and not section.is_mapping('start_pose'):
            if section.text('start_pose') != 'default_pose' or not self._pose:
                message = 'expected a mapping of joints, or default_pose where there is one'
                raise section.problem('start_pose', message)
            return self._pose
        return _by_joint(section, 'start_pose')

    def _gains(self) -> Gains | None:
        section = self._section.optional_section('gains')
        if section is None:
            return None
        found = Gains(_by_joint(section, 'stiffness', 0.0), _by_joint(section, 'damping', 0.0))
        if set(found.stiffness) != set(found.damping) or not found.stiffness:
            apart = sorted({*found.stiffness} ^ {*found.damping})
            raise section.problem(
                '', f'expected stiffness and damping of the same joints; only one has {apart}'
            )
        section.finish()
        return found


def _facts(contract: Section) -> dict[str, Fact]:
    """Read where each fact came from."""
    section = contract.optional_section('facts')
    if section is None:
        return {}
    found = {}
    for key in section.keys():
        if section.is_mapping(key):
            one = section.section(key)
            found[key] = _fact(one)
            one.finish()
            continue
        text = section.text(key)
        found[key] = Fact(text) if text in FACT_SOURCES else Fact('user', text)
    return found


def _fact(section: Section) -> Fact:
    detail = section.text('detail', '')
    source = section.text('from', expected=f'one of {", ".join(FACT_SOURCES)}, or a file name')
    if re.fullmatch(FILE_SOURCE, source):
        return Fact('file', f'{source}: {detail}' if detail else source)
    return Fact(section.choice('from', FACT_SOURCES), detail)


def _action_labels(terms: Sequence[Term]) -> tuple[str, ...]:
    return tuple(
        label
        for term in terms
        for label in ((term.name,) if term.kind == DISCRETE else term.labels)
    )


def _by_joint(section: Section, key: str, least: float | None = None) -> dict[str, float]:
    """Read a mapping of one number a joint; empty where the key is not given."""
    nested = section.optional_section(key)
    if nested is None:
        return {}
    found = {joint: nested.number(joint) for joint in nested.keys()}
    for joint, value in found.items():
        if least is not None and value < least:
            raise nested.problem(joint, f'expected a number of at least {least:g}, found {value}')
    return found
