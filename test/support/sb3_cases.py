"""
What is compared with Stable-Baselines3's own ``predict()``: every algorithm, policy and space.

Without torch: the side that has torch (``test/policy/sb3/reference.py``) and the side that has not
both read this table.
"""

from __future__ import annotations

import dataclasses

OBSERVATIONS = 1000
SEQUENCES = 20
"""Recurrent policies see the observations as so many sequences, side by side."""

PLAIN = ('vector', 'discrete', 'multi_discrete', 'multi_binary')
CHOICES = ('discrete', 'multi_discrete', 'multi_binary')
ON_POLICY = ('PPO', 'A2C', 'TRPO')
SQUASHED = ('SAC', 'TQC', 'TD3', 'DDPG')
VALUES = ('DQN', 'QR-DQN')
ACTIVATIONS = (
    ('CELU', 'ELU', 'GELU', 'Hardsigmoid', 'Hardswish', 'Hardtanh', 'Identity', 'LeakyReLU')
    + ('LogSigmoid', 'Mish', 'PReLU', 'ReLU', 'ReLU6', 'SELU', 'SiLU', 'Sigmoid', 'Softplus')
    + ('Softsign', 'Tanh', 'Tanhshrink')
)


@dataclasses.dataclass(frozen=True)
class Case:
    """
    One model.

    :param algorithm: what makes it.
    :param policy: ``Mlp``, ``Cnn`` or ``MultiInput``.
    :param observation: name of an observation space, or of an environment of Gymnasium.
    :param action: name of an action space; empty for an environment's own.
    :param variant: arguments of the policy or the algorithm, by name; empty for plain ones.
    :param steps: how long it is trained; 0 for a model as it is initialised.
    :param normalise: with ``VecNormalize``.
    """

    algorithm: str
    policy: str
    observation: str
    action: str
    variant: str = ''
    steps: int = 0
    normalise: bool = False

    @property
    def name(self) -> str:
        """Return a name for files and test output."""
        parts = (self.algorithm, self.policy, self.observation, self.action, self.variant)
        trained = 'trained' if self.steps else ''
        normalised = 'normalised' if self.normalise else ''
        return '-'.join(one for one in (*parts, trained, normalised) if one)

    @property
    def is_recurrent(self) -> bool:
        """Return whether it has a state."""
        return self.algorithm == 'RecurrentPPO'

    @property
    def is_masked(self) -> bool:
        """Return whether it takes action masks."""
        return self.algorithm == 'MaskablePPO'


def _actions(algorithm: str) -> tuple[str, ...]:
    if algorithm in SQUASHED:
        return ('box',)
    if algorithm in VALUES:
        return ('discrete',)
    return CHOICES if algorithm == 'MaskablePPO' else ('box', *CHOICES)


ALGORITHMS = (*ON_POLICY, 'RecurrentPPO', 'MaskablePPO', *SQUASHED, *VALUES)


def _policies(algorithm: str) -> tuple[tuple[str, str], ...]:
    if algorithm == 'RecurrentPPO':  # its LSTM does not take the sizes that MultiDiscrete gives
        plain = tuple(('Mlp', name) for name in PLAIN if name != 'multi_discrete')
        return (*plain, ('Cnn', 'image'), ('MultiInput', 'plain_dict'))
    return (*(('Mlp', name) for name in PLAIN), ('Cnn', 'image'), ('MultiInput', 'dict'))


CASES: tuple[Case, ...] = (
    *(
        Case(algorithm, policy, observation, action)
        for algorithm in ALGORITHMS
        for policy, observation in _policies(algorithm)
        for action in _actions(algorithm)
    ),
    # spaces of other shapes and types
    Case('PPO', 'Mlp', 'matrix', 'matrix'),
    Case('PPO', 'Mlp', 'bytes', 'box'),
    Case('PPO', 'Mlp', 'doubles', 'box'),
    Case('PPO', 'Mlp', 'image', 'box'),
    Case('SAC', 'Mlp', 'matrix', 'matrix'),
    # images: channels first, without division by 255, as floating point
    Case('PPO', 'Cnn', 'image_first', 'box'),
    Case('PPO', 'Cnn', 'image', 'box', 'unscaled'),
    Case('PPO', 'Cnn', 'float_image', 'box', 'unscaled'),
    Case('SAC', 'Cnn', 'image_first', 'box'),
    Case('DQN', 'Cnn', 'float_image', 'discrete', 'unscaled'),
    Case('PPO', 'MultiInput', 'float_dict', 'box', 'unscaled'),
    # feature extractors of actor and critic
    Case('PPO', 'Cnn', 'image', 'box', 'separate'),
    Case('PPO', 'MultiInput', 'dict', 'box', 'separate'),
    Case('A2C', 'Cnn', 'image', 'discrete', 'separate'),
    Case('SAC', 'Cnn', 'image', 'box', 'shared'),
    Case('TD3', 'MultiInput', 'dict', 'box', 'shared'),
    # layers
    *(
        Case(algorithm, 'Mlp', 'vector', _actions(algorithm)[0], variant)
        for algorithm in ALGORITHMS
        for variant in ('linear', 'deep')
    ),
    *(Case('PPO', 'Mlp', 'vector', 'box', f'activation={name}') for name in ACTIVATIONS),
    Case('SAC', 'Mlp', 'vector', 'box', 'activation=GELU'),
    Case('TD3', 'Mlp', 'vector', 'box', 'activation=PReLU'),
    Case('QR-DQN', 'Mlp', 'vector', 'discrete', 'activation=SiLU'),
    Case('QR-DQN', 'Mlp', 'vector', 'discrete', 'quantiles'),
    # exploration that depends on the state
    *(Case(name, 'Mlp', 'vector', 'box', 'sde') for name in ('PPO', 'A2C', 'SAC', 'TQC')),
    *(Case(name, 'Mlp', 'vector', 'box', 'sde_squashed') for name in ('PPO', 'A2C')),
    Case('PPO', 'Mlp', 'vector', 'box', 'sde_expln'),
    Case('SAC', 'Mlp', 'vector', 'box', 'sde_narrow'),
    Case('SAC', 'Mlp', 'vector', 'box', 'sde_unlimited'),
    Case('RecurrentPPO', 'Mlp', 'vector', 'box', 'sde_squashed'),
    # recurrent networks
    Case('RecurrentPPO', 'Mlp', 'vector', 'box', 'layers'),
    Case('RecurrentPPO', 'Mlp', 'vector', 'box', 'shared_lstm'),
    Case('RecurrentPPO', 'Mlp', 'vector', 'box', 'no_critic_lstm'),
    Case('RecurrentPPO', 'Mlp', 'vector', 'box', 'no_bias'),
    Case('RecurrentPPO', 'Cnn', 'image', 'box', 'separate'),
    # trained, and with VecNormalize
    Case('PPO', 'Mlp', 'CartPole-v1', '', steps=4096),
    Case('PPO', 'Mlp', 'Pendulum-v1', '', steps=4096, normalise=True),
    Case('SAC', 'Mlp', 'Pendulum-v1', '', steps=2000),
    Case('SAC', 'Mlp', 'Pendulum-v1', '', steps=500, normalise=True),
    Case('DQN', 'Mlp', 'CartPole-v1', '', steps=4000),
    Case('RecurrentPPO', 'Mlp', 'Pendulum-v1', '', steps=2048),
    Case('RecurrentPPO', 'Mlp', 'Pendulum-v1', '', 'layers', steps=1024, normalise=True),
    Case('TD3', 'Mlp', 'vector', 'box', normalise=True),
    Case('PPO', 'MultiInput', 'dict', 'box', normalise=True),
)
