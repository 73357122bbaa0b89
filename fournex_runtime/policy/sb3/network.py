"""
A saved policy as an ONNX model: ``predict()`` up to its raw output.

The model's output is what the network gives: the mean for PPO, A2C, TRPO and RecurrentPPO, which
``predict()`` then clips; the squashed action in [-1, 1] for SAC, TQC, TD3 and DDPG, which it then
spreads over the action space; the index of the choice where actions are choices. Clipping and
spreading are the contract's (:mod:`actions`). That is ``predict(deterministic=True)``; a model
that samples gives in place of it a draw, made of the noise that it takes (:mod:`sampling`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...errors import ArtifactError
from ..backend import ArraySpec, Signature
from ..contract import RecurrentState
from .features import LAST, FeatureBuilder
from .layers import Network
from .onnx_graph import BATCH, Graph
from .sampling import Sampling
from .saved_policy import Sb3Policy
from .spaces import Box, Discrete, MultiBinary, MultiDiscrete

ACTIONS = 'actions'
MASKS = 'action_masks'
STARTS = 'episode_starts'
_MASKED = -1e8  # sb3_contrib.common.maskable.distributions: logit of a choice that is masked


@dataclasses.dataclass(frozen=True, eq=False)
class OnnxPolicy:
    """
    A policy that ONNX Runtime runs.

    :param model: bytes of the ONNX model.
    :param signature: its inputs and outputs, batch of one.
    :param optional_inputs: inputs that may be left out: ``action_masks`` (not 0 where a
        choice is allowed; all are, by default), ``episode_starts`` (float32, 1 where the state
        is to be zeroed first; 0 by default).
    :param state: recurrent state, zero at the start of an episode.
    :param noise: distribution of the input ``noise``; empty for a model that takes none.
    """

    model: bytes
    signature: Signature
    optional_inputs: tuple[ArraySpec, ...]
    state: tuple[RecurrentState, ...]
    noise: str = ''


def build_onnx(
    policy: Sb3Policy, image_layout: str = LAST, samples: bool = False, masks: str = 'bool'
) -> OnnxPolicy:
    """
    Build the ONNX model of a policy.

    Observations without keys are the input ``obs``, others are inputs named as their keys.
    Vectors are flat float32; choices are int64; images are uint8 in the layout given here.

    :param policy: what :func:`~.saved_policy.parse_sb3` read.
    :param image_layout: ``channels_last`` (height, width, channels, as cameras and environments
        give images) or ``channels_first``.
    :param samples: the actions are drawn, as by ``predict(deterministic=False)``, with the noise
        of an input ``noise``.
    :param masks: dtype of the input ``action_masks``; a choice is allowed where it is not 0.
    :raises ArtifactError: weights are missing, left over or of the wrong shape; a part of it is
        not supported, or is to sample and does not.
    :raises MissingDependencyError: the package ``onnx`` is not installed.
    """
    return _Builder(policy, image_layout, samples, masks).build()


class _Builder:
    def __init__(self, policy: Sb3Policy, image_layout: str, samples: bool, masks: str) -> None:
        self._policy = policy
        metadata = {'algorithm': policy.algorithm, 'policy_class': policy.policy_class}
        self._graph = Graph('policy', metadata)
        self._network = Network(policy, self._graph)
        self._features = FeatureBuilder(self._network, image_layout)
        self._sampling = Sampling(self._network) if samples else None
        self._masks = masks
        self._optional: list[ArraySpec] = []
        self._state: tuple[RecurrentState, ...] = ()

    def build(self) -> OnnxPolicy:
        features = self._features.build()
        if self._sampling is not None:
            self._sampling.check(features.inputs)
        raw, size = self._actor(features.value, features.size)
        space = self._policy.action_space
        count = space.size if isinstance(space, (Box, MultiBinary)) else 1
        dtype = 'float32' if isinstance(space, Box) else 'int64'
        if isinstance(space, MultiDiscrete):
            count = len(space.nvec)
        self._network.check_all_used()
        self._graph.output(ACTIONS, self._action(raw, size), dtype, (BATCH, count))
        state_inputs = tuple(ArraySpec(s.input, s.shape, 'float32') for s in self._state)
        state_outputs = tuple(ArraySpec(s.output, s.shape, 'float32') for s in self._state)
        outputs = (ArraySpec(ACTIONS, (1, count), dtype),)
        for one in self._state:
            layers, _, width = one.shape
            value = self._next_state[one.name]
            self._graph.output(one.output, value, 'float32', (layers, BATCH, width))
        inputs = features.inputs
        if self._sampling is not None:
            inputs = (*inputs, self._sampling.input)
        return OnnxPolicy(
            self._graph.to_bytes(),
            Signature(inputs, outputs, state_inputs, state_outputs),
            tuple(self._optional),
            self._state,
            self._sampling.distribution if self._sampling is not None else '',
        )

    def _actor(self, value: str, size: int) -> tuple[str, int]:
        """Add the actor's layers; returns mean, logits or values of choices, and their number."""
        network, family = self._network, self._policy.kind.family.name
        if family in ('actor_critic', 'maskable', 'recurrent'):
            if family == 'recurrent':
                value, size = self._recurrent(value, size)
            for part in ('shared_net', 'policy_net'):  # before 1.8 layers could be shared
                value, size = network.sequence(value, size, f'mlp_extractor.{part}', False)
            return network.linear(value, size, 'action_net')
        if family == 'squashed':
            value, size = network.sequence(value, size, 'actor.latent_pi', False)
            if self._sampling is not None:
                self._sampling.spread(value, size)
            if not network.has('actor.mu.0.weight'):
                return network.linear(value, size, 'actor.mu')
            value, size = network.linear(value, size, 'actor.mu.0')
            return self._clipped_mean(value), size
        if family == 'deterministic':
            return network.sequence(value, size, 'actor.mu', True)
        name = 'q_net.q_net' if family == 'q_values' else 'quantile_net.quantile_net'
        return network.sequence(value, size, name, True)

    def _clipped_mean(self, value: str) -> str:
        """Add the limit that gSDE puts on the mean (``Hardtanh``)."""
        graph = self._graph
        limit = float(self._policy.keywords.get('clip_mean', 2.0))
        return graph.add('Clip', value, graph.number(-limit), graph.number(limit))

    def _recurrent(self, value: str, size: int) -> tuple[str, int]:
        graph, name = self._graph, 'lstm_actor'
        unknown = set(self._policy.keywords.get('lstm_kwargs') or {}) - {'bias', 'dropout'}
        if unknown:
            raise ArtifactError(
                f'{self._policy.file}: data: policy_kwargs: lstm_kwargs: {sorted(unknown)} not '
                'supported (bias and dropout are). Export the policy to ONNX in its training '
                'environment and use that'
            )
        layers = self._network.lstm_layers(name)
        width = self._policy.weights[f'{name}.weight_hh_l0'].shape[-1]
        self._state = tuple(
            RecurrentState(one, (layers, 1, width), f'{one}_in', f'{one}_out') for one in 'hc'
        )
        states = [graph.input(one.input, 'float32', (layers, BATCH, width)) for one in self._state]
        graph.input(STARTS, 'float32', (BATCH,), np.zeros(1, np.float32))
        self._optional.append(ArraySpec(STARTS, (1,), 'float32'))
        kept = graph.add('Sub', graph.number(1.0), STARTS)
        kept = graph.add('Unsqueeze', kept, graph.integers(0, 2))
        hidden, cell = (graph.add('Mul', kept, state) for state in states)
        value, size, hidden, cell = self._network.lstm(value, size, name, hidden, cell)
        self._next_state = {'h': hidden, 'c': cell}
        return value, size

    def _action(self, raw: str, size: int) -> str:
        """Add what makes the raw output of the actor's last layer."""
        graph, space = self._graph, self._policy.action_space
        family = self._policy.kind.family.name
        if isinstance(space, Box):
            self._expect(size, space.size)
            if self._sampling is not None:
                raw = self._sampling.normal(raw, size)
            return graph.add('Tanh', raw) if self._policy.is_squashed else raw
        if family == 'quantiles' and isinstance(space, Discrete):
            raw, size = self._mean_of_quantiles(raw, size, space.n)
        if family == 'maskable':
            branches = _branches(space)
            self._expect(size, sum(branches))
            return self._chosen(self._masked(raw, size), branches)
        if isinstance(space, MultiBinary):
            self._expect(size, space.size)
            if self._sampling is not None:
                return graph.cast(self._sampling.bits(raw, size), 'int64')
            return graph.cast(graph.add('Greater', raw, graph.number(0.0)), 'int64')
        branches = _branches(space)
        self._expect(size, sum(branches))
        return self._chosen(raw, branches)

    def _chosen(self, logits: str, branches: tuple[int, ...]) -> str:
        """Add the choice of each branch: the most probable one, or one that is drawn."""
        if self._sampling is not None:
            logits = self._sampling.perturbed(logits, sum(branches))
        return self._greatest(logits, branches)

    def _expect(self, found: int, expected: int) -> None:
        if found != expected:
            raise ArtifactError(
                f'{self._policy.file}: policy.pth: the last layer gives {found} values, the '
                f'action space needs {expected}'
            )

    def _mean_of_quantiles(self, raw: str, size: int, n: int) -> tuple[str, int]:
        if size % n:
            self._expect(size, size // n * n)
        shaped = self._graph.add('Reshape', raw, self._graph.integers(-1, size // n, n))
        return self._graph.add('ReduceMean', shaped, axes=[1], keepdims=0), n

    def _masked(self, raw: str, size: int) -> str:
        graph = self._graph
        mask = graph.input(MASKS, self._masks, (BATCH, size), np.ones((1, size), self._masks))
        self._optional.append(ArraySpec(MASKS, (1, size), self._masks))
        if self._masks != 'bool':
            mask = graph.cast(mask, 'bool')
        return graph.add('Where', mask, raw, graph.number(_MASKED))

    def _greatest(self, raw: str, branches: tuple[int, ...]) -> str:
        """Add the index of the greatest value of each branch, the first where several are."""
        graph = self._graph
        if len(branches) == 1:
            return graph.add('ArgMax', raw, axis=1, keepdims=1)
        parts = graph.add_several('Split', len(branches), raw, graph.integers(*branches), axis=1)
        indices = [graph.add('ArgMax', part, axis=1, keepdims=1) for part in parts]
        return graph.add('Concat', *indices, axis=1)


def _branches(space: object) -> tuple[int, ...]:
    """Return the number of choices of each branch of an action space."""
    if isinstance(space, Discrete):
        return (space.n,)
    if isinstance(space, MultiDiscrete):
        return space.nvec
    if isinstance(space, MultiBinary):
        return (2,) * space.size
    raise ArtifactError(f'action_space: expected choices, found {type(space).__name__}')
