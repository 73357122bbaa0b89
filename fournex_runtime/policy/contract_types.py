"""The typed, frozen contract: terms, the arrays that they fill, state, statistics, facts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from .term_kinds import DISCRETE, Options

Floats = tuple[float, ...]
BACKENDS = ('onnx', 'stable_baselines3', 'torchscript', 'torch_export', 'lerobot')
"""What can run an artifact, by the word in ``artifact.backend``."""
DATA_BACKENDS = ('onnx', 'stable_baselines3')
"""Those whose artifact is data: loading one runs nothing of it."""
DTYPES = ('float32', 'float64', 'uint8', 'int64')
"""Element types that an input can have."""
OUTPUT_DTYPES = ('float32', 'float64', 'int64')
"""Element types that an output can have."""
INTEGERS = ('uint8', 'int64')


@dataclasses.dataclass(frozen=True)
class Term:
    """
    A named run of values in an input or an output of the artifact.

    :param name: unique among the contract's inputs, or outputs; the wiring refers to it.
    :param kind: name of its kind (``policy/term_kinds.py``).
    :param labels: a name for each value: joints, axes, sectors; none for an image.
    :param joints: joints in the policy's order; empty where the kind has none.
    :param unit: unit of the values before scaling (observation) or after it (action).
    :param frame: frame in which the values are expressed; empty if they have none.
    :param options: the options of the kind.
    :param clip: least and greatest value, one pair a value; infinite where there is none.
    :param scale: factor, one a value; of an image one a channel.
    :param offset: subtracted from an observation, added to an action; as many as ``scale``.
    :param history: how many consecutive values the policy sees, the present one included.
    :param newest_first: order of the history.
    :param shape: shape of a term that fills a whole input; empty for values in a row.
    :param choices: the commands that a discrete action chooses from; empty otherwise.
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
    shape: tuple[int, ...] = ()
    choices: tuple[Floats, ...] = ()

    @property
    def size(self) -> int:
        """Return the number of values, history not counted."""
        return math.prod(self.shape) if self.shape else len(self.labels)

    @property
    def width(self) -> int:
        """Return how many numbers of the artifact's array it takes: one for a choice."""
        return 1 if self.kind == DISCRETE else self.size

    @property
    def command(self) -> str:
        """Return the kind of command that an action term gives; a choice stands for another."""
        return str(self.options['as']) if self.kind == DISCRETE else self.kind


@dataclasses.dataclass(frozen=True)
class ArrayLayout:
    """
    How the terms of an input or output lie in the artifact's array.

    :param shape: its shape without the batch axis, history counted.
    :param dtype: numpy's name of its element type.
    :param batch: a batch axis of one stands in front.
    :param history: how many whole frames of all its terms it holds.
    :param newest_first: order of the frames.
    :param frame: shape of one frame.
    :param axis: axis along which frames follow one another; None for a new one in front.
    """

    shape: tuple[int, ...]
    dtype: str = 'float32'
    batch: bool = True
    history: int = 1
    newest_first: bool = False
    frame: tuple[int, ...] = ()
    axis: int | None = None

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Return the shape of the artifact's array, batch axis included."""
        return (1, *self.shape) if self.batch else self.shape

    @property
    def size(self) -> int:
        """Return the number of values."""
        return math.prod(self.shape)


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
    One recurrent state of the policy.

    :param name: its name in the session and in records.
    :param shape: its shape, float32.
    :param input: artifact input that takes it; empty where it lives in a buffer.
    :param output: artifact output that gives the next one; empty where it lives in a buffer.
    :param file: safetensors file in the bundle with its first value; empty for zeros.
    :param sha256: hash of that file.
    :param keeps: it lives on from one episode to the next.
    :param buffer: buffer of a torch module that holds it; empty for an input and an output.
    """

    name: str
    shape: tuple[int, ...]
    input: str
    output: str
    file: str = ''
    sha256: str = ''
    keeps: bool = False
    buffer: str = ''


@dataclasses.dataclass(frozen=True)
class Chunk:
    """
    An output that holds several actions in a row, to be played out one after the other.

    :param size: how many actions the policy gives at once; the first axis of every output.
    :param step_ns: time from one to the next.
    :param execute: how many of them are played before the policy is asked again.
    :param linear: between two of them commands are interpolated; else the earlier one holds.
    """

    size: int
    step_ns: int
    execute: int
    linear: bool


@dataclasses.dataclass(frozen=True)
class Gains:
    """Stiffness and damping of the joints in training, by joint name."""

    stiffness: Mapping[str, float]
    damping: Mapping[str, float]


FACT_SOURCES = ('artifact', 'user', 'file', 'unknown')
"""Where a fact of a contract can come from."""
FILE_SOURCE = r'[^\s/]+\.[A-Za-z][A-Za-z0-9]*'
"""Pattern of a file's name, which stands for the source ``file``."""


@dataclasses.dataclass(frozen=True)
class Fact:
    """
    Where a fact of the contract came from.

    :param source: one of ``FACT_SOURCES``.
    :param detail: which file, which field, who; may be empty.
    """

    source: str
    detail: str = ''

    def __str__(self) -> str:
        """Return both, for people."""
        return f'{self.source}: {self.detail}' if self.detail else self.source


@dataclasses.dataclass(frozen=True)
class Artifact:
    """The trained network: its file in the bundle, its hash, and the backend that runs it."""

    file: str
    sha256: str
    backend: str


@dataclasses.dataclass(frozen=True)
class CardFile:
    """The model card: its file in the bundle and its hash (``policy/card.py`` reads it)."""

    file: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Contract:
    """A whole contract: what ``policy.yaml`` says, and what is computed from it."""

    name: str
    version: int
    description: str
    period_ns: int
    inputs: Mapping[str, tuple[Term, ...]]
    input_layouts: Mapping[str, ArrayLayout]
    outputs: Mapping[str, tuple[Term, ...]]
    output_layouts: Mapping[str, ArrayLayout]
    chunk: Chunk | None
    normalisation: tuple[Normalisation, ...]
    state: tuple[RecurrentState, ...]
    default_pose: Mapping[str, float]
    start_pose: Mapping[str, float]
    gains: Gains | None
    artifact: Artifact
    card: CardFile | None
    facts: Mapping[str, Fact]
    text: str = dataclasses.field(compare=False)

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
        """Return how many numbers of the artifact one action is; a choice is one."""
        return sum(term.width for term in self.action_terms)

    @property
    def draws(self) -> bool:
        """Return whether the policy is given noise, so that an episode needs a seed."""
        return any(term.kind == 'noise' for term in self.observation_terms)

    @property
    def ticks_of_chunk(self) -> int:
        """Return how many ticks one answer of the policy lasts; 1 without chunks."""
        if self.chunk is None:
            return 1
        return self.chunk.execute * self.chunk.step_ns // self.period_ns

    @property
    def memory_ticks(self) -> int:
        """Return how many ticks back an observation or a command can depend on."""
        terms = (term.history for term in self.observation_terms)
        frames = (layout.history for layout in self.input_layouts.values())
        return max(self.ticks_of_chunk, *terms, *frames)

    @property
    def has_history(self) -> bool:
        """Return whether an observation depends on those of the ticks before."""
        histories = (one.history for one in self.observation_terms)
        return max(*histories, *(one.history for one in self.input_layouts.values())) > 1

    @property
    def named_files(self) -> tuple[tuple[str, str], ...]:
        """Return name and hash of every file that the contract names, in the order of the docs."""
        named: list[Artifact | Normalisation | RecurrentState | CardFile] = [*self.normalisation]
        named.extend((*self.state, self.artifact, *((self.card,) if self.card else ())))
        return tuple((one.file, one.sha256) for one in named if one.file)

    @property
    def files(self) -> dict[str, str]:
        """Return the hash of every file that the contract names, by name."""
        return dict(self.named_files)

    def input_size(self, name: str) -> int:
        """Return the number of values of an input, history counted."""
        return self.input_layouts[name].size

    def to_text(self) -> str:
        """Return the contract as canonical YAML: read again, it is an equal contract."""
        from .contract_text import contract_text

        return contract_text(self)
