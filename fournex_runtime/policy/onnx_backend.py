"""ONNX artifacts, checked against the contract and run by ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..configuration import nearest
from ..errors import ArtifactError
from .backend import Arrays, ArraySpec, Request, Signature, signature
from .batch import BatchedRun, batch_axes, run_one_by_one
from .contract_types import RecurrentState
from .inference import DEFAULT_INFERENCE, Inference
from .onnx_artifact import onnx_model
from .onnx_file import refusal
from .onnx_session import OnnxSession

if TYPE_CHECKING:
    from .bundle import Bundle

_DTYPES = {
    'tensor(bool)': 'bool',
    'tensor(double)': 'float64',
    'tensor(float)': 'float32',
    'tensor(int64)': 'int64',
    'tensor(uint8)': 'uint8',
}
_BOUND_BYTES = 8192
"""
On the CPU, inputs of up to this size are copied into memory that ONNX Runtime is bound to, which
is faster than having it take each array anew; above it the copy costs more. Measured with
``python bench/onnx_binding.py``.
"""


class OnnxModel:
    """
    One ONNX model.

    It is loaded from bytes, and must not keep numbers in other files. The arrays that it is given
    are only read, and those that it hands out are the caller's: later runs do not touch them. One
    thread at a time may run it.

    :param model: the model.
    :param file: where it comes from, for errors.
    :param spec: the inputs and outputs that it must have; it may have more outputs, and more
        inputs with a default.
    :param state: recurrent state, by the names of its inputs and outputs.
    :param inference: providers and threads.
    :raises ArtifactError: the model does not load or does not fit.
    """

    def __init__(
        self,
        model: bytes,
        file: str,
        spec: Signature,
        state: tuple[RecurrentState, ...],
        inference: Inference = DEFAULT_INFERENCE,
    ) -> None:
        self._file = file
        self._refuse_what_is_no_model(model)
        self._session = OnnxSession(model, file, inference)
        needed = self._session.inputs
        self._takes = (*spec.inputs, *spec.state_inputs)
        self._check('input', self._takes, [*needed, *self._session.optional_inputs])
        self._check_nothing_else(spec, needed)
        outputs = (*spec.outputs, *spec.state_outputs)
        self._check('output', outputs, self._session.outputs)
        self._output_names = [one.name for one in outputs]
        self._state = state
        self._outputs = len(spec.outputs)
        self._bound = None
        if self._session.provider != 'cpu' or sum(map(_bytes, self._takes)) <= _BOUND_BYTES:
            self._bound = self._session.bind(self._takes, outputs)
        self._together = self._batched(outputs)
        self._rows, self._batch_size = inference.rows, 0
        if self._together is not None:
            self._batch_size = self._together.size_for(inference.rows, inference.deterministic)

    def _refuse_what_is_no_model(self, model: bytes) -> None:
        try:
            words = refusal(model)
        except ValueError as problem:
            raise ArtifactError(f'{self._file}: not a loadable ONNX model: {problem}') from problem
        if words:
            raise ArtifactError(f'{self._file}: {words}')

    def _check(self, side: str, expected: tuple[ArraySpec, ...], found: list[Any]) -> None:
        """Compare the model's inputs or outputs with the contract's, symbolic axes allowed."""
        by_name = {one.name: one for one in found}
        for spec in expected:
            if spec.name not in by_name:
                raise ArtifactError(
                    f'{self._file}: has no {side} {spec.name!r}, which the contract names; '
                    f'it has {", ".join(sorted(by_name))}.'
                    + nearest(spec.name, list(by_name), listed=False)
                )
            one = by_name[spec.name]
            dtype = _DTYPES.get(one.type, one.type)
            fits = len(one.shape) == len(spec.shape) and all(
                not isinstance(a, int) or a == b for a, b in zip(one.shape, spec.shape)
            )
            if not fits or dtype != spec.dtype:
                raise ArtifactError(
                    f'{self._file}: {side} {spec.name} is {dtype} {one.shape} in the artifact, '
                    f'the terms of the contract make it {spec.dtype} {list(spec.shape)}'
                )
            self._check_axes(side, spec, one.shape)

    def _check_axes(self, side: str, spec: ArraySpec, axes: list[Any]) -> None:
        """Refuse an open axis where the contract has a length: nothing would check it."""
        for number, (axis, length) in enumerate(zip(axes, spec.shape)):
            if side == 'input' and length > 1 and not isinstance(axis, int):
                raise ArtifactError(
                    f'{self._file}: {side} {spec.name} leaves axis {number} open ({axis}), the '
                    f'contract has {length} values there; export it with a fixed length (only '
                    'axes of length one, such as the batch, may be open)'
                )

    def _check_nothing_else(self, spec: Signature, needed: list[Any]) -> None:
        given = {one.name for one in (*spec.inputs, *spec.state_inputs)}
        unknown = sorted({one.name for one in needed} - given)
        if unknown:
            raise ArtifactError(
                f'{self._file}: takes {", ".join(unknown)}, which the contract does not give'
            )

    def _batched(self, gives: Sequence[ArraySpec]) -> BatchedRun | None:
        """Return what runs several requests at once, if the model leaves an axis open for it."""
        inputs = {one.name: one.shape for one in self._session.inputs}
        inputs |= {one.name: one.shape for one in self._session.optional_inputs}
        outputs = {one.name: one.shape for one in self._session.outputs}
        axes = batch_axes(
            [inputs[one.name] for one in self._takes], [outputs[one.name] for one in gives]
        )
        if axes is None:
            return None
        return BatchedRun(
            tuple(zip(self._takes, axes[0])),
            tuple(zip(gives, axes[1])),
            lambda feed: self._session.run(self._output_names, feed),
            self._file,
        )

    @property
    def description(self) -> str:
        """Return library, version and provider."""
        return self._session.description

    @property
    def provider(self) -> str:
        """Return what computes it."""
        return self._session.provider

    @property
    def threads(self) -> int:
        """Return how many processor threads ONNX Runtime uses."""
        return self._session.threads

    @property
    def batch_size(self) -> int:
        """Return how many rows a batch is to have; 0: none."""
        return self._batch_size

    def run(self, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """Run the model once; see :class:`~fournex_runtime.policy.backend.Backend`."""
        feed = self._feed(inputs, state) if self._state else inputs
        try:
            if self._bound is not None and len(feed) == len(self._takes):
                found = self._bound.run(feed)
            else:  # with inputs that have a default, or too large to be copied
                found = self._session.run(self._output_names, feed)
        except Exception as problem:  # onnxruntime's errors share no base but Exception
            what = self._mismatch(feed) or f'inference failed: {problem}'
            raise ArtifactError(f'{self._file}: {what}') from problem
        return self._result(found)

    def in_place(self, takes: Request, gives: Request) -> Callable[[], None] | None:
        """Return what runs the model where its arrays lie; see :class:`.RunsInPlace`."""
        if self._session.provider != 'cpu':
            return None
        outputs, following = gives
        into = {**outputs, **{one.output: following[one.name] for one in self._state}}
        run = self._session.bind_where_they_lie(self._feed(*takes), into)

        def run_in_place() -> None:
            try:
                run()
            except Exception as problem:  # onnxruntime's errors share no base but Exception
                raise ArtifactError(f'{self._file}: inference failed: {problem}') from problem

        return run_in_place

    def _feed(self, inputs: Arrays, state: Arrays) -> dict[str, Any]:
        if not self._state:
            return {**inputs}
        passed = {one.input: state[one.name] for one in self._state if one.name in state}
        return {**inputs, **passed}

    def _result(self, found: Sequence[Any]) -> Request:
        outputs = dict(zip(self._output_names, found[: self._outputs]))
        if not self._state:
            return outputs, {}
        following = {one.name: array for one, array in zip(self._state, found[self._outputs :])}
        return outputs, following

    def run_batch(self, requests: Sequence[Request | None]) -> list[Request | None]:
        """Run the model for each request; see :class:`~fournex_runtime.policy.backend.Backend`."""
        feeds = [None if one is None else self._feed(*one) for one in requests]
        alone = len(feeds) < 2 or (self._rows > 1 and not self._batch_size)
        alone = alone or any(one and len(one) > len(self._takes) for one in feeds)
        if alone or self._together is None or not self._together.keeps_requests_apart:
            return run_one_by_one(self, requests)
        together = self._together.run(feeds)
        return [None if found is None else self._result(found) for found in together]

    def _mismatch(self, feed: Arrays) -> str:
        """Return which array was not what the contract says, or an empty text."""
        for spec in self._takes:
            if problem := spec.missing_or_mismatch(feed):
                return f'input {problem}'
        return ''

    def close(self) -> None:
        """Do nothing: the session ends with the object."""


class OnnxBackend(OnnxModel):
    """
    The artifact of a bundle: an ONNX model, or a zip of Stable-Baselines3 rebuilt as one.

    :param bundle: the bundle; its artifact is checked against its contract here.
    :param inference: providers and threads.
    :raises ArtifactError: the artifact does not load or does not fit the contract.
    :raises MissingDependencyError: a package that it needs is not installed.
    """

    def __init__(self, bundle: Bundle, inference: Inference = DEFAULT_INFERENCE) -> None:
        contract = bundle.contract
        file = str(bundle.folder / contract.artifact.file)
        super().__init__(onnx_model(bundle), file, signature(contract), contract.state, inference)


def _bytes(spec: ArraySpec) -> int:
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize
