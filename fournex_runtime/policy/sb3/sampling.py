"""
A draw of a policy's actions, made of noise that it is given: ``predict(deterministic=False)``.

What Stable-Baselines3 draws with torch's random numbers is a function of them and of what the
network gives. Here the random numbers are the input ``noise``, so that the session's seed says
what is drawn:

==============================  ===================  =====================================
action space                    noise                drawn
==============================  ===================  =====================================
Box                             normal, one a value  mean + deviation * noise; then squashed
Discrete, MultiDiscrete;        gumbel, one a        the greatest of logit + noise of each
with masks MultiBinary too      choice               branch
MultiBinary                     uniform, one a bit   whether noise < probability
==============================  ===================  =====================================
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ArtifactError
from ..backend import ArraySpec
from .layers import Network
from .onnx_graph import BATCH

NOISE = 'noise'
_LEAST_LOG_STD, _GREATEST_LOG_STD = -20.0, 2.0  # stable_baselines3.sac.policies, sb3_contrib.tqc
_NO_DRAW = {
    'deterministic': 'its policy is deterministic, and the noise that was added to its actions '
    'in training is not in the file',
    'q_values': 'it takes the best choice, and in training a random one at a rate of its own',
    'quantiles': 'it takes the best choice, and in training a random one at a rate of its own',
}


class Sampling:
    """
    Adds the draw to a network's graph, and the input that it is made of.

    :param network: the network.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._log_std = ''
        self.input: ArraySpec
        """The input that it has added."""
        self.distribution = ''
        """Of the noise that it takes."""

    def check(self, inputs: Sequence[ArraySpec]) -> None:
        """
        Refuse a policy that draws nothing, or in a way that is not supported.

        :param inputs: the observations.
        :raises ArtifactError: it does.
        """
        policy = self._network.policy
        why = _NO_DRAW.get(policy.kind.family.name, '')
        if self._explores_by_state():
            why = 'it explores by gSDE, whose noise stays the same for many steps'
        if not why and NOISE in {one.name for one in inputs}:
            why = f'its observation has a key {NOISE!r} of its own'
        if why:
            raise ArtifactError(
                f'{policy.file}: {policy.algorithm} cannot be given noise: {why}. Leave the input '
                f'{NOISE} out of the contract: its actions are then those of '
                'predict(deterministic=True)'
            )

    def _explores_by_state(self) -> bool:
        """Return whether it was trained with gSDE: its deviations are a matrix, not a row."""
        weights = self._network.policy.weights
        return 'actor.log_std' in weights or ('log_std' in weights and weights['log_std'].ndim > 1)

    def spread(self, value: str, size: int) -> None:
        """Add the layer that gives the deviations; where there is none they are weights."""
        graph = self._network.graph
        log_std, _ = self._network.linear(value, size, 'actor.log_std')
        limits = graph.number(_LEAST_LOG_STD), graph.number(_GREATEST_LOG_STD)
        self._log_std = graph.add('Clip', log_std, *limits)

    def normal(self, mean: str, size: int) -> str:
        """Add a draw of a Gaussian."""
        graph = self._network.graph
        if not self._log_std:
            weight = self._network.weight('log_std', (size,))
            self._log_std = graph.constant('log_std', weight)
        noise = self._noise('normal', size)
        return graph.add('Add', mean, graph.add('Mul', graph.add('Exp', self._log_std), noise))

    def perturbed(self, logits: str, size: int) -> str:
        """Add noise to logits: the greatest of them is then a draw of their softmax."""
        return self._network.graph.add('Add', logits, self._noise('gumbel', size))

    def bits(self, logits: str, size: int) -> str:
        """Add a draw of bits, each of its own probability."""
        graph = self._network.graph
        return graph.add('Less', self._noise('uniform', size), graph.add('Sigmoid', logits))

    def _noise(self, distribution: str, size: int) -> str:
        self.distribution = distribution
        self.input = ArraySpec(NOISE, (1, size), 'float32')
        return self._network.graph.input(NOISE, 'float32', (BATCH, size))
