"""
What runs an artifact: arrays in, arrays out, recurrent state in and out.

A backend holds no state of its own between calls: what a recurrent policy remembers is an argument
and a result, so that the session owns it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from .contract_types import DATA_BACKENDS, Contract
from .inference import INLINE, Inference

if TYPE_CHECKING:  # what reads a bundle is not loaded into a worker, which has no use for it
    from .bundle import Bundle

Arrays = Mapping[str, NDArray[Any]]
Request = tuple[Arrays, Arrays]
"""Inputs and state, or outputs and next state."""


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """
    A named array: shape and dtype.

    :param name: its name in the artifact.
    :param shape: number of elements along each axis.
    :param dtype: numpy's name of the element type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    def missing_or_mismatch(self, arrays: Arrays) -> str:
        """Return what is wrong with the array of this name, or an empty text."""
        array = arrays.get(self.name)
        return f'{self.name} is missing' if array is None else self.mismatch(array)

    def mismatch(self, array: NDArray[Any]) -> str:
        """Return what is wrong with an array, or an empty text."""
        if array.shape != self.shape:
            return f'{self.name} has shape {list(array.shape)}, expected {list(self.shape)}'
        if array.dtype != self.dtype:
            return f'{self.name} has dtype {array.dtype}, expected {self.dtype}'
        return ''


@dataclasses.dataclass(frozen=True)
class Signature:
    """
    The arrays that a contract's artifact takes and gives, batch of one.

    State that lives in buffers of the artifact is neither taken nor given.
    """

    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    state_inputs: tuple[ArraySpec, ...]
    state_outputs: tuple[ArraySpec, ...]


def signature(contract: Contract) -> Signature:
    """Return what the contract says that the artifact takes and gives."""
    inputs, outputs = (
        tuple(ArraySpec(name, one.array_shape, one.dtype) for name, one in layouts.items())
        for layouts in (contract.input_layouts, contract.output_layouts)
    )
    passed = [one for one in contract.state if not one.buffer]
    state_inputs = tuple(ArraySpec(one.input, one.shape, 'float32') for one in passed)
    state_outputs = tuple(ArraySpec(one.output, one.shape, 'float32') for one in passed)
    return Signature(inputs, outputs, state_inputs, state_outputs)


def made_up(spec: ArraySpec, random: np.random.Generator) -> NDArray[Any]:
    """Return an array to try an artifact with: zeros say too little about it."""
    if np.dtype(spec.dtype).kind == 'f':
        return random.standard_normal(spec.shape).astype(spec.dtype)
    return np.zeros(spec.shape, spec.dtype)  # a whole number may be a choice of a few


class Backend(Protocol):
    """One loaded artifact."""

    @property
    def description(self) -> str:
        """Return library, version, provider and what was refused, for the manifest."""
        ...

    @property
    def provider(self) -> str:
        """Return what computes it, as wirings name it: ``cpu``, ``cuda`` or ``tensorrt``."""
        ...

    @property
    def threads(self) -> int:
        """Return how many processor threads its library uses, as that says itself."""
        ...

    def run(self, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """
        Run the policy once.

        :param inputs: one array for each input of the signature, by artifact name.
        :param state: recurrent state by its name in the contract.
        :returns: the outputs by artifact name, and the next state by its name in the contract.
        :raises ArtifactError: the artifact failed.
        """
        ...

    @property
    def batch_size(self) -> int:
        """
        Return how many rows a batch is to have for the sessions that it was loaded for.

        0 where their requests are run one after the other, because the artifact has no batch axis
        or because they would not have the same bits in every row.
        With ``deterministic`` every batch has that many, and then neither the other rows nor
        which row it is changes a bit of a result; else it is the greatest number.
        """
        ...

    def run_batch(self, requests: Sequence[Request | None]) -> list[Request | None]:
        """
        Run the policy once for each of some requests that know nothing of each other.

        In one run, with a row for each, where the artifact has a batch axis; else one after the
        other. The results are those of :meth:`run` within 1e-6; their last bits may depend on the
        number of rows.

        :param requests: inputs and state of each row, as for :meth:`run`; None for a row that
            nobody asks with.
        :returns: outputs and next state of each, in the same order.
        :raises ArtifactError: the artifact failed, or an array is not what the contract says.
        """
        ...

    def close(self) -> None:
        """End what runs outside this process for it; it cannot be run again."""
        ...


@runtime_checkable
class RunsInPlace(Protocol):
    """A backend that can run its artifact on arrays that stay where they are."""

    def in_place(self, takes: Request, gives: Request) -> Callable[[], None] | None:
        """
        Return what runs the policy once, from arrays into others; None where it cannot.

        What it gives has the bits of :meth:`Backend.run`.

        :param takes: inputs and recurrent state, of the contract's shapes and dtypes.
        :param gives: outputs and next state.
        """
        ...


def load_backend(bundle: Bundle, inference: Inference = INLINE, timeout_s: float = 1.0) -> Backend:
    """
    Load the bundle's artifact and check it against the contract.

    With isolation ``inline``, an ONNX model runs in this process, and so does a zip of
    Stable-Baselines3, which is read as data and rebuilt as ONNX. What torch runs is a program: it
    is opened in a worker only, and torch is not loaded here.

    :param bundle: the bundle.
    :param inference: providers, threads, isolation, and what is a worker's own.
    :param timeout_s: how long to wait for a worker's answer.
    :raises ArtifactError: it does not load, or does not have the contract's names and shapes, or
        none of the providers can be used.
    :raises ConfigurationError: the worker's Python cannot be run.
    :raises MissingDependencyError: the backend's library is not installed.
    """
    if inference.isolation == 'inline' and bundle.contract.artifact.backend in DATA_BACKENDS:
        from .onnx_backend import OnnxBackend  # its library loads here

        return OnnxBackend(bundle, inference)
    from ..worker.succession import SuccessiveWorkers

    return SuccessiveWorkers(bundle, inference, timeout_s)


def blank_inputs(contract: Contract) -> tuple[Arrays, Arrays]:
    """Return inputs and recurrent state of zeros, to run a policy with before there is a robot."""
    inputs = {one.name: np.zeros(one.shape, one.dtype) for one in signature(contract).inputs}
    state = {one.name: np.zeros(one.shape, np.float32) for one in contract.state}
    return inputs, state


def warm_up(backend: Backend, contract: Contract, runs: int = 10) -> None:
    """
    Run the policy on zeros, so that the first tick is not the slow one.

    :param runs: how often; at least twice.
    :raises ArtifactError: it fails, its outputs are not what the contract says, or it does not
        give one answer to one question.
    """
    spec = signature(contract)
    inputs, state = blank_inputs(contract)
    outputs, following = backend.run(inputs, state)
    for one in spec.outputs:
        problem = one.mismatch(outputs[one.name])
        if problem:
            raise ArtifactError(f'{contract.artifact.file}: output {problem}')
    for remembered in contract.state:
        expected = ArraySpec(remembered.name, remembered.shape, 'float32')
        problem = expected.mismatch(following[remembered.name])
        if problem:
            raise ArtifactError(f'{contract.artifact.file}: state output {problem}')
    for _ in range(runs - 1):
        again = backend.run(inputs, state)
        if backend.provider == 'cpu' and _bits(again) != _bits((outputs, following)):
            raise ArtifactError(
                f'{contract.artifact.file}: gives two answers to one question: it draws random '
                'numbers, or remembers something that is no state of the contract. Have it take '
                'its noise as an input, which the contract fills with a term noise, and what it '
                'remembers as a state'
            )


def _bits(result: Request) -> list[tuple[str, bytes]]:
    return [(name, array.tobytes()) for side in result for name, array in side.items()]
