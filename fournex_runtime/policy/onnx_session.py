"""
ONNX Runtime: a session on the providers that were asked for. The only module that imports it.

ONNX Runtime itself goes on without a provider that it cannot have, on the CPU, and says so in its
log at most. Here a provider is used or refused with the reason, and the CPU computes nothing
unless ``cpu`` is in the list.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, MissingDependencyError
from .backend import Arrays, ArraySpec
from .inference import Inference, Refusal, describe, none_left

try:
    import onnxruntime
except ImportError as problem:
    raise MissingDependencyError(
        'onnxruntime', 'running an ONNX policy', 'pip install onnxruntime'
    ) from problem

_NAMES = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
_OPTIONS: dict[str, dict[str, str]] = {
    # As on the CPU: float32 in full, and no algorithm chosen by a stopwatch.
    'cuda': {'use_tf32': '0', 'cudnn_conv_algo_search': 'HEURISTIC'},
}
_REASON_LENGTH = 300


class OnnxSession:
    """
    A loaded model.

    :param model: the ONNX file.
    :param file: where it comes from, for errors.
    :param inference: providers and threads.
    :raises ArtifactError: the model does not load, or none of the providers can be used.
    """

    def __init__(self, model: bytes, file: str, inference: Inference) -> None:
        self._threads = inference.threads
        refused = [
            Refusal(one, _not_built())
            for one in inference.providers
            if _NAMES[one] not in onnxruntime.get_available_providers()
        ]
        unusable = {one.provider for one in refused}
        left = [one for one in inference.providers if one not in unusable]
        if {*left} - {'cpu'}:
            _find_libraries()
        while left:
            more = self._open(model, left, file)
            if not more:
                break
            refused += more
            left = [one for one in left if one not in {one.provider for one in more}]
        if not left:
            raise none_left(file, refused)
        self.provider = left[0]
        """What computes it, by the wiring's name; what that cannot do, the next does."""
        self.description = describe(
            f'onnxruntime {onnxruntime.__version__}',
            '+'.join(_NAMES[one] for one in left),
            inference.threads,
            refused,
        )

    def _open(self, model: bytes, providers: Sequence[str], file: str) -> list[Refusal]:
        """Open the session; return which providers it cannot have."""
        asked = [(_NAMES[one], _OPTIONS.get(one, {})) for one in providers]
        try:
            self._session = onnxruntime.InferenceSession(
                model, self._options(providers), providers=asked, enable_fallback=0
            )
        except Exception as problem:  # onnxruntime's errors share no base but Exception
            first = providers[0]
            if first == 'cpu':
                raise ArtifactError(f'{file}: not a loadable ONNX model: {problem}') from problem
            return [Refusal(first, _not_loadable(first) or _line(problem))]
        there = self._session.get_providers()
        return [
            Refusal(one, _not_loadable(one) or 'ONNX Runtime left it out and did not say why')
            for one in providers
            if _NAMES[one] not in there
        ]

    def _options(self, providers: Sequence[str]) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        options.add_session_config_entry('session.load_model_format', 'ONNX')
        if 'cpu' not in providers:
            options.add_session_config_entry('session.disable_cpu_ep_fallback', '1')
        if providers[0] != 'cpu':
            options.use_deterministic_compute = True
        return options

    @property
    def threads(self) -> int:
        """Return how many processor threads a run uses."""
        return int(self._session.get_session_options().intra_op_num_threads)

    @property
    def inputs(self) -> list[Any]:
        """Return the inputs that must be given."""
        return list(self._session.get_inputs())

    @property
    def optional_inputs(self) -> list[Any]:
        """Return the inputs that have a default."""
        return list(self._session.get_overridable_initializers())

    @property
    def outputs(self) -> list[Any]:
        """Return the outputs."""
        return list(self._session.get_outputs())

    def run(self, outputs: list[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model on arrays of any shape that it takes."""
        return list(self._session.run(outputs, feed))

    def bind_where_they_lie(self, takes: Arrays, gives: Arrays) -> Callable[[], None]:
        """
        Return what runs the model from arrays into others, without a copy; on the CPU only.

        :param takes: every input, by its name in the model; they stay where they are.
        :param gives: takes the outputs.
        """
        session, binding = self._session, self._session.io_binding()
        value_of = onnxruntime.OrtValue.ortvalue_from_numpy
        for name, array in takes.items():
            binding.bind_ortvalue_input(name, value_of(array))
        for name, array in gives.items():
            binding.bind_ortvalue_output(name, value_of(array))
        return lambda: session.run_with_iobinding(binding)

    def bind(self, takes: Sequence[ArraySpec], gives: Sequence[ArraySpec]) -> BoundSession:
        """Return the model bound to memory for arrays of these shapes."""
        device = 'cpu' if self.provider == 'cpu' else 'cuda'
        return BoundSession(self._session, device, takes, gives)


class BoundSession:
    """
    A session with memory of its own for one set of arrays, used again at each run.

    What is given is copied in, and what is handed out is a copy: nobody else sees the memory.

    :param session: ONNX Runtime's session.
    :param device: where the inputs lie: ``cpu`` or ``cuda``.
    :param takes: what it is given.
    :param gives: what it hands out.
    """

    def __init__(
        self, session: Any, device: str, takes: Sequence[ArraySpec], gives: Sequence[ArraySpec]
    ) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._elsewhere = device != 'cpu'
        self._inputs = []
        for one in takes:
            given = np.zeros(one.shape, one.dtype)
            place = onnxruntime.OrtValue.ortvalue_from_numpy(given, device, 0)
            self._binding.bind_ortvalue_input(one.name, place)
            self._inputs.append((one, given, place))
        self._outputs = [np.zeros(one.shape, one.dtype) for one in gives]
        for one, array in zip(gives, self._outputs):
            place = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            self._binding.bind_ortvalue_output(one.name, place)

    def run(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """
        Run the model once.

        :raises ValueError: an array is not of the shape or dtype that was bound.
        """
        for spec, given, place in self._inputs:
            array = feed[spec.name]
            if array.shape != given.shape or array.dtype != given.dtype:
                raise ValueError(f'input {spec.mismatch(array)}')
            if self._elsewhere:
                place.update_inplace(np.ascontiguousarray(array))
            else:
                given[...] = array  # which is the memory that is bound
        self._session.run_with_iobinding(self._binding)
        if self._elsewhere:
            self._binding.synchronize_outputs()
        found = []
        for array in self._outputs:
            found.append(array.copy())
        return found


def _not_built() -> str:
    version = onnxruntime.__version__
    return f'onnxruntime {version} is built without it here (onnxruntime-gpu has it)'


def _find_libraries() -> None:
    """Have the libraries of CUDA found that pip has installed, if it has."""
    if hasattr(onnxruntime, 'preload_dlls'):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()


def _not_loadable(provider: str) -> str:
    """
    Return why the library of a provider cannot be loaded; empty if it can.

    Only for after ONNX Runtime has tried: its libraries want to be loaded by itself first.
    """
    folder = pathlib.Path(onnxruntime.__file__).parent / 'capi'
    try:
        ctypes.CDLL(str(folder / f'libonnxruntime_providers_{provider}.so'))
    except OSError as problem:
        return _line(problem)
    return ''


def _line(problem: Exception) -> str:
    """Return an error in one line; CUDA's comes after the names of C++ functions."""
    text = ' '.join(str(problem).split())
    cuda = re.search(r'CUDA failure [^;]*[^; ]', text)
    return cuda[0] if cuda else text[:_REASON_LENGTH]
