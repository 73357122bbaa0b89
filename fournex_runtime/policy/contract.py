"""
The contract: what a policy was trained to see and to do (``policy.yaml``).

It belongs to the policy and knows no topic. Every observation value passes, in this order,

    ``value - relative_to  →  clip  →  scale  →  history  →  normalisation``

(the order of Isaac Lab's observation manager), in float64, and is cast to the artifact's dtype at
the end. Every action value passes ``clip → * scale → + offset``.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
from collections.abc import Mapping

from ..configuration import FOREVER_NS, Section, parse, read_text
from ..errors import ContractError
from .term_kinds import ACTION_KINDS, OBSERVATION_KINDS, Options, TermKind

Floats = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Term:
    """
    A named run of values in an input or an output of the artifact.

    :param name: unique among the contract's inputs, or outputs; the wiring refers to it.
    :param kind: name of its kind (``policy/term_kinds.py``).
    :param labels: a name for each value: joints, axes, sectors.
    :param joints: joints in the policy's order; empty where the kind has none.
    :param unit: unit of the values before scaling (observation) or after it (action).
    :param frame: frame in which the values are expressed; empty if they have none.
    :param options: the options of the kind.
    :param clip: least and greatest value, one pair a value; infinite where there is none.
    :param scale: factor, one a value.
    :param offset: subtracted from an observation, added to an action; one a value.
    :param history: how many consecutive values the policy sees, the present one included.
    :param newest_first: order of the history.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    joints: tuple[str, ...]
    unit: str
    frame: str
    options: Options
    clip: tuple[Floats, Floats]
    scale: Floats
    offset: Floats
    history: int = 1
    newest_first: bool = False

    @property
    def size(self) -> int:
        """Return the number of values, history not counted."""
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """
    Normalisation of one input by training statistics: ``clip((x - mean) / sqrt(var + epsilon))``.

    The formula of Stable-Baselines3's ``VecNormalize.normalize_obs``, in float64.

    :param file: safetensors file in the bundle with ``mean`` and ``var``, one a value.
    :param sha256: its hash.
    :param input: the artifact input that it applies to.
    :param clip: greatest magnitude after it.
    :param epsilon: added to the variance.
    """

    file: str
    sha256: str
    input: str
    clip: float
    epsilon: float


@dataclasses.dataclass(frozen=True)
class RecurrentState:
    """
    One recurrent state of the policy; all zeros at the start of each episode.

    :param name: its name in the session and in records.
    :param shape: its shape, float32.
    :param input: artifact input that takes it.
    :param output: artifact output that gives the next one.
    """

    name: str
    shape: tuple[int, ...]
    input: str
    output: str


@dataclasses.dataclass(frozen=True)
class Artifact:
    """The trained network: its file in the bundle, its hash, and the backend that runs it."""

    file: str
    sha256: str
    backend: str


@dataclasses.dataclass(frozen=True)
class Contract:
    """A whole contract; see the module's text for what is computed from it."""

    name: str
    version: int
    description: str
    period_ns: int
    inputs: Mapping[str, tuple[Term, ...]]
    outputs: Mapping[str, tuple[Term, ...]]
    normalisation: Normalisation | None
    state: tuple[RecurrentState, ...]
    default_pose: Mapping[str, float]
    artifact: Artifact
    facts: Mapping[str, str]
    text: str

    @property
    def reference(self) -> str:
        """Return ``name@version``."""
        return f'{self.name}@{self.version}'

    @property
    def observation_terms(self) -> tuple[Term, ...]:
        """Return the terms of all inputs, in order."""
        return tuple(term for terms in self.inputs.values() for term in terms)

    @property
    def action_terms(self) -> tuple[Term, ...]:
        """Return the terms of all outputs, in order."""
        return tuple(term for terms in self.outputs.values() for term in terms)

    @property
    def action_size(self) -> int:
        """Return the number of values of all action terms together."""
        return sum(term.size for term in self.action_terms)

    def input_size(self, name: str) -> int:
        """Return the number of values of an input, history counted."""
        return sum(term.size * term.history for term in self.inputs[name])


def load_contract(file: pathlib.Path) -> Contract:
    """
    Read a contract file.

    :raises ContractError: it cannot be read or is not valid.
    """
    return parse_contract(read_text(file, ContractError), str(file))


def parse_contract(text: str, file: str = 'policy.yaml') -> Contract:
    """
    Read a contract from its text, for instance from the manifest of a recording.

    :raises ContractError: it is not valid.
    """
    return _Reader(parse(text, file, ContractError), text).contract()


class _Reader:
    """Reads one contract; remembers the joints and the default pose that terms refer to."""

    def __init__(self, section: Section, text: str) -> None:
        self._section = section
        self._text = text
        self._joints: tuple[str, ...] = ()
        self._pose: dict[str, float] = {}

    def contract(self) -> Contract:
        section = self._section
        pose = section.optional_section('default_pose')
        if pose is not None:
            self._pose = {joint: pose.number(joint) for joint in pose.keys()}
        name = section.text('name')
        if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_.-]*', name):
            raise section.problem('name', f'{name!r} is not a name of letters, digits, _ . and -')
        version = section.integer('version', least=1)
        outputs_section = section.section('outputs')
        inputs_section = section.section('inputs')
        inputs_items = {key: inputs_section.sections(key) for key in inputs_section.keys()}
        inputs = {
            key: [self._term(s, OBSERVATION_KINDS, True) for s in items]
            for key, items in inputs_items.items()
        }
        outputs = {
            key: tuple(self._term(s, ACTION_KINDS, False) for s in outputs_section.sections(key))
            for key in outputs_section.keys()
        }
        labels = tuple(
            label for terms in outputs.values() for term in terms for label in term.labels
        )
        filled = {
            key: tuple(
                self._fill_last_action(term, item, labels)
                for term, item in zip(terms, inputs_items[key], strict=True)
            )
            for key, terms in inputs.items()
        }
        for side, terms in (('inputs', filled), ('outputs', outputs)):
            self._check_names(side, terms)
        contract = Contract(
            name=name,
            version=version,
            description=section.text('description', ''),
            period_ns=self._period_ns(),
            inputs=filled,
            outputs=outputs,
            normalisation=self._normalisation(filled),
            state=self._state(),
            default_pose=self._pose,
            artifact=self._artifact(),
            facts=self._facts(),
            text=self._text,
        )
        self._check_arrays(contract)
        section.finish()
        return contract

    def _period_ns(self) -> int:
        period_ns = self._section.duration_ns('period')
        if period_ns == FOREVER_NS:
            raise self._section.problem('period', 'expected a duration such as 20 ms')
        return period_ns

    def _check_arrays(self, contract: Contract) -> None:
        """Refuse two arrays of one name on one side of the artifact."""
        takes = [*contract.inputs, *(one.input for one in contract.state)]
        gives = [*contract.outputs, *(one.output for one in contract.state)]
        for side, names in (('input', takes), ('output', gives)):
            for name in names:
                if names.count(name) > 1:
                    raise self._section.problem(
                        'state', f'the artifact cannot have two {side}s called {name}'
                    )

    def _check_names(self, side: str, groups: Mapping[str, tuple[Term, ...]]) -> None:
        if not groups or not all(groups.values()):
            raise self._section.problem(side, 'expected at least one, each with at least one term')
        seen: set[str] = set()
        for term in (term for terms in groups.values() for term in terms):
            if term.name in seen:
                message = f'two terms are called {term.name}; give one of them a name: of its own'
                raise self._section.problem(side, message)
            seen.add(term.name)

    def _term(self, section: Section, kinds: Mapping[str, TermKind], observed: bool) -> Term:
        kind = kinds[section.choice('term', tuple(kinds))]
        joints: tuple[str, ...] = ()
        if kind.joints:
            joints = self._term_joints(section)
        options = kind.options(section)
        labels = kind.labels(joints, options)
        history, newest_first = 1, False
        if observed:
            history = section.integer('history', 1, least=1)
            if history > 1:
                order = section.choice('order', ('oldest_first', 'newest_first'))
                newest_first = order == 'newest_first'
        size = len(labels)
        if kind.name == 'last_action':  # sized once the outputs are known
            for key in ('clip', 'scale', 'relative_to'):
                if key in section:
                    raise section.problem(key, 'last_action takes no such key')
        term = Term(
            name=section.text('name', kind.name),
            kind=kind.name,
            labels=labels,
            joints=joints,
            unit=section.text('unit', kind.unit),
            frame=section.text('frame', ''),
            options=options,
            clip=self._clip(section, size),
            scale=self._per_value(section, 'scale', size, 1.0),
            offset=self._offset(section, 'relative_to' if observed else 'offset', joints, size),
            history=history,
            newest_first=newest_first,
        )
        section.finish()
        return term

    def _fill_last_action(self, term: Term, section: Section, labels: tuple[str, ...]) -> Term:
        if term.kind != 'last_action':
            return term
        size = len(labels)
        infinite = ((-math.inf,) * size, (math.inf,) * size)
        return dataclasses.replace(
            term, labels=labels, clip=infinite, scale=(1.0,) * size, offset=(0.0,) * size
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

    def _per_value(self, section: Section, key: str, size: int, default: float) -> Floats:
        if key not in section:
            return (default,) * size
        numbers = section.numbers(key)
        if len(numbers) == 1:
            return numbers * size
        if len(numbers) != size:
            raise section.problem(key, f'expected 1 or {size} numbers, found {len(numbers)}')
        return numbers

    def _clip(self, section: Section, size: int) -> tuple[Floats, Floats]:
        """Read ``clip: [low, high]``, or a mapping ``{low: …, high: …}`` of one number a value."""
        if 'clip' not in section:
            return (-math.inf,) * size, (math.inf,) * size
        if section.is_mapping('clip'):
            nested = section.section('clip')
            low = self._per_value(nested, 'low', size, -math.inf)
            high = self._per_value(nested, 'high', size, math.inf)
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
        return self._per_value(section, key, size, 0.0)

    def _normalisation(self, inputs: Mapping[str, tuple[Term, ...]]) -> Normalisation | None:
        section = self._section.optional_section('normalisation')
        if section is None:
            return None
        section.choice('kind', ('mean_std',))
        only = next(iter(inputs)) if len(inputs) == 1 else None
        found = Normalisation(
            file=_file_name(section, 'file'),
            sha256=_sha256(section),
            input=section.choice('input', tuple(inputs), only),
            clip=section.number('clip'),
            epsilon=section.number('epsilon'),
        )
        for key in ('clip', 'epsilon'):
            if getattr(found, key) <= 0.0:
                raise section.problem(key, 'expected a number above 0')
        section.finish()
        return found

    def _state(self) -> tuple[RecurrentState, ...]:
        section = self._section.optional_section('state')
        if section is None:
            return ()
        found = []
        for name in section.keys():
            one = section.section(name)
            shape = one.numbers('shape')
            if any(length < 1 or length != int(length) for length in shape):
                raise one.problem('shape', f'expected whole numbers above 0, found {list(shape)}')
            one.choice('initial', ('zeros',))
            one.choice('reset', ('episode',))
            found.append(
                RecurrentState(
                    name,
                    tuple(int(length) for length in shape),
                    one.text('input'),
                    one.text('output'),
                )
            )
            one.finish()
        return tuple(found)

    def _artifact(self) -> Artifact:
        section = self._section.section('artifact')
        found = Artifact(
            file=_file_name(section, 'file'),
            sha256=_sha256(section),
            backend=section.choice('backend', ('onnx',)),
        )
        section.finish()
        return found

    def _facts(self) -> dict[str, str]:
        section = self._section.optional_section('facts')
        if section is None:
            return {}
        return {key: section.text(key) for key in section.keys()}


def _file_name(section: Section, key: str) -> str:
    """Return the name of a file in the bundle's own folder; a path elsewhere is refused."""
    name = section.text(key, expected='a file name')
    single = name == pathlib.PurePosixPath(name).name and name.isprintable()
    if not single or name.startswith('.'):
        raise section.problem(key, f'{name!r} is not the name of a file in the bundle')
    return name


def _sha256(section: Section) -> str:
    value = section.text('sha256', expected='the SHA-256 of the file')
    if not re.fullmatch(r'[0-9a-f]{64}', value):
        raise section.problem('sha256', 'expected 64 lower-case hexadecimal digits')
    return value
