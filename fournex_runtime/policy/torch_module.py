"""
A torch module that is run as a function.

How arrays reach the module and come back, for every kind of artifact that torch runs:

* Its arguments are the contract's ``inputs`` in their order, then the ``input`` of each recurrent
  state that has one, in the order of ``state``. A name of the contract that the artifact knows for
  another of its arguments is an error; names that it does not know are by position alone.
* What it returns, tuples taken apart, is the contract's ``outputs`` in their order, then the
  ``output`` of each such state.
* A recurrent state with a ``buffer`` lives in that buffer of the module. It is written before, and
  read after, each run. A ``reset()`` that the module has is called once, after loading.

A buffer that changes while the module runs, and that is no state of the contract, would be a
memory that no reset, snapshot or replay knows of; it is refused when the artifact is loaded. So is
a module that gives two answers to one question.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from .backend import Arrays, ArraySpec, Request, Signature, made_up
from .batch import BatchedRun, run_one_by_one
from .contract_types import RecurrentState
from .inference import DEFAULT_INFERENCE, Inference
from .torch_device import Device, torch

Array = NDArray[Any]
_PROBE_SEED = 20
_RANDOM = re.compile(
    r'\baten[:.]+(?:rand\w*|normal|bernoulli|multinomial|dropout|exponential|uniform)\b'
)


class TorchModule:
    """
    A loaded module, checked against the contract.

    :param module: the module; called with tensors by position.
    :param arguments: names of its arguments.
    :param device: where it lies and computes.
    :param file: where it comes from, for errors.
    :param spec: what the contract says that it takes and gives.
    :param state: its recurrent state.
    :param inference: whether, and how, several sessions ask it together.
    :raises ArtifactError: it does not run, or does not fit the contract.
    """

    batches = True
    """Whether it can be run with more than one row at all, if its arrays allow it."""

    def __init__(
        self,
        module: Any,
        arguments: Sequence[str],
        device: Device,
        file: str,
        spec: Signature,
        state: tuple[RecurrentState, ...],
        inference: Inference = DEFAULT_INFERENCE,
    ) -> None:
        self._module = module
        self._device = device
        self._file = file
        self._inputs = [one.name for one in spec.inputs]
        self._takes = (*spec.inputs, *spec.state_inputs)
        self._results = (*spec.outputs, *spec.state_outputs)
        self._outputs = len(spec.outputs)
        self._passed = [one for one in state if not one.buffer]
        self._kept: list[tuple[RecurrentState, Callable[[Any], Any]]] = [
            (one, operator.attrgetter(one.buffer)) for one in state if one.buffer
        ]
        self._check_arguments(arguments, [*self._inputs, *(one.input for one in self._passed)])
        self._check_buffers()
        self._reset()
        self.changes = self._probe(spec)
        """Names of the buffers that change when it runs."""
        self._reset()
        self._inference = inference

    @property
    def description(self) -> str:
        """Return library, version and provider."""
        return self._device.description

    def run(self, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """Run the module once; see :class:`~fournex_runtime.policy.backend.Backend`."""
        try:
            return self._run(inputs, state)
        except ArtifactError:
            raise
        except Exception as problem:  # torch's errors share no base but Exception
            raise ArtifactError(f'{self._file}: inference failed: {_words(problem)}') from problem

    @property
    def provider(self) -> str:
        """Return what computes it."""
        return self._device.name

    @property
    def threads(self) -> int:
        """Return how many processor threads torch uses."""
        return int(torch.get_num_threads())

    @functools.cached_property
    def batch_size(self) -> int:
        """Return how many rows a batch is to have; 0: none."""
        if self._together is None:
            return 0
        return self._together.size_for(self._inference.rows, self._inference.deterministic)

    def run_batch(self, requests: Sequence[Request | None]) -> list[Request | None]:
        """Run the module for each; see :class:`~fournex_runtime.policy.backend.Backend`."""
        apart = self._inference.rows > 1 and not self.batch_size
        if len(requests) < 2 or apart or self._together is None:
            return run_one_by_one(self, requests)
        found = self._together.run([None if one is None else self._feed(*one) for one in requests])
        return [None if one is None else self._result(one) for one in found]

    @functools.cached_property
    def _together(self) -> BatchedRun | None:
        """
        Return what runs several requests at once; None where the module does not.

        It does not say which axis is the batch. Nearly always it is the first, and of a state of
        three axes the one in the middle (``layers, batch, hidden``).
        """
        if self._kept or not self.batches or self.changes:
            return None
        state_axes = (1, 0) if self._passed else (0,)
        for axis in state_axes:
            axes = [
                axis if len(one.shape) == 3 and one.name not in self._inputs else 0
                for one in self._takes
            ]
            given = [
                axis if len(one.shape) == 3 and number >= self._outputs else 0
                for number, one in enumerate(self._results)
            ]
            both = [*zip(self._takes, axes), *zip(self._results, given)]
            if any(not one.shape or one.shape[axis] != 1 for one, axis in both):
                continue
            made = BatchedRun(
                both[: len(self._takes)], both[len(self._takes) :], self._call, self._file
            )
            if made.keeps_requests_apart:
                return made
        return None

    def close(self) -> None:
        """Do nothing: there is nothing that outlives the object."""

    def _run(self, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        with torch.inference_mode():
            for one, buffer in self._kept:
                buffer(self._module).copy_(torch.from_numpy(state[one.name]))
        arrays = self._call(self._feed(inputs, state))
        for array, spec in zip(arrays, self._results):
            problem = spec.mismatch(array)
            if problem:
                raise ArtifactError(f'{self._file}: output {problem}')
        outputs, following = self._result(arrays)
        for one, buffer in self._kept:
            following[one.name] = _array(buffer(self._module)).copy()
        return outputs, following

    def _feed(self, inputs: Arrays, state: Arrays) -> dict[str, Array]:
        """Return the arrays of a request by the names of the module's arguments."""
        feed = {name: inputs[name] for name in self._inputs if name in inputs}
        feed.update({one.input: state[one.name] for one in self._passed if one.name in state})
        return feed

    def _result(self, arrays: Sequence[Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return outputs and next state by name, of arrays in the order of the results."""
        outputs = {one.name: a for one, a in zip(self._results[: self._outputs], arrays)}
        following = {one.name: a for one, a in zip(self._passed, arrays[self._outputs :])}
        return outputs, following

    def _call(self, feed: Arrays) -> list[Array]:
        """Run the module; return the arrays that it gives, each its own."""
        with torch.inference_mode():
            arguments = [
                torch.from_numpy(feed[one.name]).to(self._device.name) for one in self._takes
            ]
            found = list(_flat(self._module(*arguments)))
            if len(found) != len(self._results):
                raise ArtifactError(
                    f'{self._file}: gives {_count(found)}; the contract makes it '
                    f'{_count(self._results)}: '
                    f'{", ".join(one.name for one in self._results)}'
                )
            return [self._array(one, spec) for one, spec in zip(found, self._results)]

    def _array(self, found: Any, spec: ArraySpec) -> Array:
        """Return a result as an array of its own: the module may write into its own again."""
        if not isinstance(found, torch.Tensor):
            raise ArtifactError(
                f'{self._file}: gives a {type(found).__name__} for {spec.name}; expected a tensor'
            )
        return _array(found).copy()

    def _check_arguments(self, found: Sequence[str], expected: Sequence[str]) -> None:
        if len(found) != len(expected):
            raise ArtifactError(
                f'{self._file}: takes {_count(found)} ({", ".join(found)}); the contract gives '
                f'{_count(expected)} ({", ".join(expected)})'
            )
        for position, (name, there) in enumerate(zip(expected, found)):
            if name != there and name in found:
                raise ArtifactError(
                    f'{self._file}: argument {position} is {there}, the contract has {name} '
                    f'there; the artifact takes {", ".join(found)}, in that order'
                )

    def _buffers(self) -> dict[str, Any]:
        return dict(self._module.named_buffers())

    def _check_buffers(self) -> None:
        found = self._buffers()
        for one, _ in self._kept:
            if one.buffer not in found:
                raise ArtifactError(
                    f'{self._file}: has no buffer {one.buffer}, which the contract names for '
                    f'state {one.name}; it has {", ".join(sorted(found)) or "none"}'
                )
            tensor = found[one.buffer]
            problem = ArraySpec(f'buffer {one.buffer}', one.shape, 'float32').mismatch(
                _array(tensor)
            )
            if problem:
                raise ArtifactError(f'{self._file}: {problem}')

    def _reset(self) -> None:
        reset = getattr(self._module, 'reset', None)
        if reset is None:
            return
        try:
            with torch.inference_mode():
                reset()
        except Exception as problem:  # torch's errors share no base but Exception
            raise ArtifactError(f'{self._file}: reset() failed: {_words(problem)}') from problem

    def _probe(self, spec: Signature) -> tuple[str, ...]:
        """Run it twice on one question; return which buffers changed."""
        before = {name: one.clone() for name, one in self._buffers().items()}
        try:
            answers = [self._answer(spec), self._answer(spec)]
        except ArtifactError as problem:
            given = [f'{one.name} {one.dtype} {list(one.shape)}' for one in self._takes]
            raise ArtifactError(
                f'{problem}. The contract gives it {", ".join(given)}'
            ) from problem
        after = self._buffers()
        changed = tuple(
            name for name, one in before.items() if not _same(_array(one), _array(after[name]))
        )
        kept = {one.buffer for one, _ in self._kept}
        hidden = sorted({*changed} - kept)
        if hidden:
            raise ArtifactError(
                f'{self._file}: changes its buffers {", ".join(hidden)} when it runs. Name each '
                'under state in the contract, with buffer: in place of input: and output:'
            )
        zeros = {one.name: np.zeros(one.shape, np.float32) for one, _ in self._kept}
        still = [
            one.buffer for one, _ in self._kept if _same(answers[0][one.name], zeros[one.name])
        ]
        if still:
            raise ArtifactError(
                f'{self._file}: its buffers {", ".join(still)} do not change when it runs, so '
                'they are no recurrent state'
            )
        if not all(_same(one, answers[1][name]) for name, one in answers[0].items()):
            raise ArtifactError(
                f'{self._file}: gives two answers to one question: it draws random numbers'
                f'{_drawn_by(self._module)}, or remembers something outside its buffers. Have it '
                'take its noise as an input, which the contract fills with a term noise, and what '
                'it remembers as a state'
            )
        return changed

    def _answer(self, spec: Signature) -> dict[str, Array]:
        """Return all that comes of one fixed question that is not all zeros, by name."""
        random = np.random.default_rng(_PROBE_SEED)
        inputs = {one.name: made_up(one, random) for one in spec.inputs}
        shapes = {one.name: one.shape for one in (*self._passed, *(s for s, _ in self._kept))}
        state = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        outputs, following = self.run(inputs, state)
        return {**outputs, **following}


def _drawn_by(module: Any) -> str:
    """Return in brackets which of a module's operations may draw; empty where none is seen."""
    graph = getattr(module, 'inlined_graph', None) or getattr(module, 'graph', None)
    names = sorted({*_RANDOM.findall(str(graph))})
    return f' ({", ".join(names)})' if names else ''


def _flat(found: Any) -> Iterator[Any]:
    if isinstance(found, (tuple, list)):
        for one in found:
            yield from _flat(one)
    else:
        yield found


def _array(tensor: Any) -> Array:
    """Return a tensor as an array; on the CPU they share their memory."""
    array: Array = tensor.cpu().numpy()
    return array


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _count(arrays: Sequence[Any]) -> str:
    return '1 array' if len(arrays) == 1 else f'{len(arrays)} arrays'


def _words(problem: Exception) -> str:
    """Return what torch says without the traceback that it puts before it."""
    text = str(problem).strip()
    last = text.splitlines()[-1] if text else type(problem).__name__
    return last if text.startswith('The following operation failed') else text
