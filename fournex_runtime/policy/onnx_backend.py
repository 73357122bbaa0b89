"""ONNX artifacts, run by ONNX Runtime. The only module that imports ``onnxruntime``."""

from __future__ import annotations

from typing import Any

from ..configuration import nearest
from ..errors import ArtifactError, MissingDependencyError
from .backend import Arrays, ArraySpec, signature
from .bundle import Bundle

try:
    import onnxruntime
except ImportError as problem:
    raise MissingDependencyError(
        'onnxruntime', 'running an ONNX policy', 'pip install onnxruntime'
    ) from problem

_DTYPES = {'tensor(float)': 'float32', 'tensor(double)': 'float64', 'tensor(int64)': 'int64'}


class OnnxBackend:
    """
    One ONNX Runtime session on the CPU, one thread.

    The model is loaded from the checked bytes, so it cannot refer to data in other files.

    :param bundle: the bundle; its artifact is checked against its contract here.
    :raises ArtifactError: the artifact does not load or does not fit the contract.
    """

    def __init__(self, bundle: Bundle) -> None:
        contract = bundle.contract
        self._file = bundle.folder / contract.artifact.file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.artifact, options, providers=['CPUExecutionProvider']
            )
        except Exception as problem:  # onnxruntime's errors share no base but Exception
            raise ArtifactError(f'{self._file}: not a loadable ONNX model: {problem}') from problem
        spec = signature(contract)
        self._check('input', (*spec.inputs, *spec.state_inputs), self._session.get_inputs(), True)
        outputs = (*spec.outputs, *spec.state_outputs)
        self._check('output', outputs, self._session.get_outputs(), False)
        self._output_names = [one.name for one in outputs]
        self._state = contract.state
        self._outputs = len(spec.outputs)

    def _check(
        self, side: str, expected: tuple[ArraySpec, ...], found: list[Any], exactly: bool
    ) -> None:
        """Compare the model's inputs or outputs with the contract's, symbolic axes allowed."""
        by_name = {one.name: one for one in found}
        for spec in expected:
            if spec.name not in by_name:
                raise ArtifactError(
                    f'{self._file}: has no {side} {spec.name!r}, which the contract names; '
                    f'it has {", ".join(sorted(by_name))}.{nearest(spec.name, list(by_name))}'
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
        unknown = sorted(set(by_name) - {spec.name for spec in expected})
        if unknown and exactly:
            raise ArtifactError(
                f'{self._file}: takes {", ".join(unknown)}, which the contract does not give'
            )

    @property
    def description(self) -> str:
        """Return library, version and provider."""
        provider = self._session.get_providers()[0]
        return f'onnxruntime {onnxruntime.__version__} {provider}'

    def run(self, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """Run the model once; see :class:`~fournex_runtime.policy.backend.Backend`."""
        feed = dict(inputs)
        for one in self._state:
            feed[one.input] = state[one.name]
        try:
            found = self._session.run(self._output_names, feed)
        except Exception as problem:  # onnxruntime's errors share no base but Exception
            raise ArtifactError(f'{self._file}: inference failed: {problem}') from problem
        outputs = dict(zip(self._output_names[: self._outputs], found))
        following = {one.name: array for one, array in zip(self._state, found[self._outputs :])}
        return outputs, following
