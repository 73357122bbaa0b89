"""
From observations to features: what Stable-Baselines3 does before the policy's own layers.

Preprocessing as in ``stable_baselines3.common.preprocessing.preprocess_obs`` (images divided by
255, choices one-hot), then the feature extractors of ``common.torch_layers``.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...errors import ArtifactError
from ..backend import ArraySpec
from .inert_pickle import Name
from .layers import Network
from .onnx_graph import BATCH
from .policy_classes import COMBINED, EXTRACTORS_MODULE, FLATTEN, NATURE_CNN
from .saved_policy import EXPORT_HINT
from .spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space

LAST = 'channels_last'
FIRST = 'channels_first'
RESERVED = frozenset(('actions', 'action_masks', 'episode_starts', 'h_in', 'c_in'))
"""Names that inputs of observations do not take."""

_STRIDES = ((0, 8, 4), (2, 4, 2), (4, 3, 1))  # layer, kernel and stride of NatureCNN
_CHANNELS = (32, 64, 64)
_LEAST = 36
_OPTIONS = ('features_dim', 'cnn_output_dim', 'normalized_image')
_WHOLE = 255.0


@dataclasses.dataclass(frozen=True)
class Features:
    """
    What an actor's layers start from.

    :param value: name of the value in the graph.
    :param size: its size.
    :param inputs: the inputs of the model that it is computed from, batch of one.
    """

    value: str
    size: int
    inputs: tuple[ArraySpec, ...]


class FeatureBuilder:
    """
    Adds inputs, preprocessing and feature extractor to a network.

    :param network: what they are added to.
    :param image_layout: how images come in, :data:`LAST` (height, width, channels, as cameras
        and environments give them) or :data:`FIRST`.
    """

    def __init__(self, network: Network, image_layout: str) -> None:
        if image_layout not in (LAST, FIRST):
            raise ValueError(f'image_layout: expected {LAST} or {FIRST}, found {image_layout!r}')
        self._network = network
        self._graph = network.graph
        self._policy = network.policy
        self._layout = image_layout
        keywords = self._policy.keywords
        self._where = f'{self._policy.file}: data: policy_kwargs'
        self._normalises = keywords.get('normalize_images', True) is not False
        options = keywords.get('features_extractor_kwargs') or {}
        for name in options:
            if name not in _OPTIONS:
                raise ArtifactError(
                    f'{self._where}: features_extractor_kwargs: {name!r} is none of '
                    f'{", ".join(_OPTIONS)}. {EXPORT_HINT}'
                )
        self._any_box_is_image = bool(options.get('normalized_image')) or not self._normalises
        self._inputs: list[ArraySpec] = []

    def build(self) -> Features:
        """
        Add everything up to the features.

        :raises ArtifactError: the extractor is not supported, or the weights do not fit it.
        """
        family = self._policy.kind.family
        used = [
            prefix
            for prefix in family.extractor
            if any(name.startswith(f'{prefix}.') for name in self._policy.weights)
        ]
        prefix = used[0] if used else family.extractor[0]
        extractor, space = self._extractor(), self._policy.observation_space
        if (extractor == COMBINED) != isinstance(space, Dict):
            raise ArtifactError(
                f'{self._policy.file}: data: observation_space: {extractor} does not take a '
                f'{type(space).__name__}'
            )
        if isinstance(space, Dict):
            parts = [
                self._one(
                    f'obs_{key}' if key in RESERVED else key, one, f'{prefix}.extractors.{key}'
                )
                for key, one in space.spaces.items()
            ]
            values = [value for value, _ in parts]
            value = self._graph.add('Concat', *values, axis=1) if len(parts) > 1 else values[0]
            size = sum(size for _, size in parts)
        else:
            value, size = self._one('obs', space, prefix, extractor == NATURE_CNN)
        for repeated in used[1:]:
            self._network.mark_used(repeated)
        return Features(value, size, tuple(self._inputs))

    def _extractor(self) -> str:
        chosen = self._policy.keywords.get('features_extractor_class')
        if chosen is None:
            return self._policy.kind.extractor
        if isinstance(chosen, Name) and chosen.module == EXTRACTORS_MODULE:
            return chosen.name
        raise ArtifactError(
            f'{self._where}: features_extractor_class: expected {FLATTEN}, {NATURE_CNN} or '
            f'{COMBINED}, found {chosen}'
        )

    def _one(
        self, name: str, space: Space, prefix: str, must_convolve: bool | None = None
    ) -> tuple[str, int]:
        """Add one input; ``must_convolve`` None means that the space decides."""
        if isinstance(space, Box):
            convolve = must_convolve
            if convolve is None:
                convolve = space.is_image or (self._any_box_is_image and len(space.shape) == 3)
            if convolve:
                return self._cnn(self._box(name, space, keep_axes=True), space, prefix)
            return self._box(name, space, keep_axes=False), space.size
        if isinstance(space, MultiBinary):
            return self._input(name, (space.size,), 'float32'), space.size
        if isinstance(space, Discrete):
            return self._one_hot(self._input(name, (1,), 'int64'), space.n), space.n
        if isinstance(space, MultiDiscrete):
            return self._one_hots(name, space)
        raise ArtifactError(f'{self._policy.file}: data: observation_space: {name}: not supported')

    def _input(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        self._inputs.append(ArraySpec(name, (1, *shape), dtype))
        return self._graph.input(name, dtype, (BATCH, *shape))

    def _box(self, name: str, space: Box, keep_axes: bool) -> str:
        """Add numbers as they are, or an image: uint8, with channels first in the network."""
        graph = self._graph
        if not space.is_image:
            shape = space.shape if keep_axes else (space.size,)
            return self._input(name, shape, 'float32')
        channels, height, width = space.shape
        if self._layout == LAST:
            value = self._input(name, (height, width, channels), 'uint8')
            value = graph.add('Transpose', value, perm=[0, 3, 1, 2])
        else:
            value = self._input(name, (channels, height, width), 'uint8')
        value = graph.cast(value, 'float32')
        if self._normalises:
            value = graph.add('Div', value, graph.number(_WHOLE))
        return value if keep_axes else graph.add('Flatten', value, axis=1)

    def _one_hot(self, indices: str, n: int) -> str:
        """Add a one-hot code; an index that is no choice is an error when the model runs."""
        graph = self._graph
        choices = graph.constant(f'/choices/{n}', np.arange(n, dtype=np.int64))
        negative = graph.add('Less', indices, graph.integers(0))
        beyond = graph.add('Where', negative, graph.integers(n), indices)  # Gather wraps around
        checked = graph.add('Gather', choices, beyond, axis=0)
        return graph.cast(graph.add('Equal', checked, choices), 'float32')

    def _one_hots(self, name: str, space: MultiDiscrete) -> tuple[str, int]:
        graph = self._graph
        count = len(space.nvec)
        value = self._input(name, (count,), 'int64')
        columns = graph.add_several('Split', count, value, graph.integers(*[1] * count), axis=1)
        codes = [self._one_hot(column, n) for column, n in zip(columns, space.nvec)]
        joined = graph.add('Concat', *codes, axis=1) if count > 1 else codes[0]
        return joined, sum(space.nvec)

    def _cnn(self, value: str, space: Box, prefix: str) -> tuple[str, int]:
        if len(space.shape) != 3:
            raise ArtifactError(
                f'{self._policy.file}: data: observation_space: {NATURE_CNN} takes images, found '
                f'shape {list(space.shape)}'
            )
        graph, (channels, height, width) = self._graph, space.shape
        if min(height, width) < _LEAST:
            raise ArtifactError(
                f'{self._policy.file}: data: observation_space: {NATURE_CNN} takes images of at '
                f'least {_LEAST} by {_LEAST}, found {height} by {width}'
            )
        for (layer, kernel, stride), filters in zip(_STRIDES, _CHANNELS):
            name = f'{prefix}.cnn.{layer}'
            weight = self._network.weight(f'{name}.weight', (filters, channels, kernel, kernel))
            bias = self._network.weight(f'{name}.bias', (filters,))
            value = graph.add(
                'Conv',
                value,
                graph.constant(f'{name}.weight', weight),
                graph.constant(f'{name}.bias', bias),
                kernel_shape=[kernel, kernel],
                strides=[stride, stride],
            )
            value = graph.add('Relu', value)
            channels = filters
            height, width = ((n - kernel) // stride + 1 for n in (height, width))
        value = graph.add('Flatten', value, axis=1)
        value, size = self._network.linear(value, channels * height * width, f'{prefix}.linear.0')
        return graph.add('Relu', value), size
