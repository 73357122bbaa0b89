"""
The policy classes of Stable-Baselines3 and sb3-contrib, by name: what their networks are made of.

The names are those under which the classes are defined; ``MlpPolicy`` and the like are aliases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

FLATTEN = 'FlattenExtractor'
NATURE_CNN = 'NatureCNN'
COMBINED = 'CombinedExtractor'
EXTRACTORS_MODULE = 'stable_baselines3.common.torch_layers'


@dataclasses.dataclass(frozen=True)
class Family:
    """
    Policies whose actors are built alike.

    :param name: how :mod:`network` builds them: ``actor_critic``, ``recurrent``, ``maskable``,
        ``squashed`` (a Gaussian), ``deterministic``, ``q_values`` or ``quantiles``.
    :param extractor: prefixes of the actor's feature extractor in the weights; the first that is
        there counts.
    :param activation: default of ``activation_fn``.
    :param unused: prefixes of weights that inference does not need.
    """

    name: str
    extractor: tuple[str, ...]
    activation: str
    unused: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class PolicyClass:
    """A policy class: its family, and the feature extractor that it takes by default."""

    family: Family
    extractor: str


_ON_POLICY_CRITIC = ('vf_features_extractor', 'mlp_extractor.value_net', 'value_net', 'log_std')
_ON_POLICY = ('pi_features_extractor', 'features_extractor')

_ACTOR_CRITIC = Family('actor_critic', _ON_POLICY, 'Tanh', _ON_POLICY_CRITIC)
_RECURRENT = Family('recurrent', _ON_POLICY, 'Tanh', (*_ON_POLICY_CRITIC, 'lstm_critic', 'critic'))
_MASKABLE = Family('maskable', _ON_POLICY, 'Tanh', _ON_POLICY_CRITIC)
_SQUASHED = Family(
    'squashed',
    ('actor.features_extractor',),
    'ReLU',
    ('critic', 'critic_target', 'actor.log_std'),
)
_DETERMINISTIC = Family(
    'deterministic',
    ('actor.features_extractor',),
    'ReLU',
    ('critic', 'critic_target', 'actor_target'),
)
_Q_VALUES = Family('q_values', ('q_net.features_extractor',), 'ReLU', ('q_net_target',))
_QUANTILES = Family(
    'quantiles', ('quantile_net.features_extractor',), 'ReLU', ('quantile_net_target',)
)


def _classes(module: str, family: Family, mlp: str, cnn: str, combined: str) -> Any:
    extractors = (FLATTEN, NATURE_CNN, COMBINED)
    return {
        f'{module}.{name}': PolicyClass(family, extractor)
        for name, extractor in zip((mlp, cnn, combined), extractors)
    }


POLICY_CLASSES: Mapping[str, PolicyClass] = {
    **_classes(
        'stable_baselines3.common.policies',
        _ACTOR_CRITIC,
        'ActorCriticPolicy',
        'ActorCriticCnnPolicy',
        'MultiInputActorCriticPolicy',
    ),
    **_classes(
        'sb3_contrib.common.recurrent.policies',
        _RECURRENT,
        'RecurrentActorCriticPolicy',
        'RecurrentActorCriticCnnPolicy',
        'RecurrentMultiInputActorCriticPolicy',
    ),
    **_classes(
        'sb3_contrib.common.maskable.policies',
        _MASKABLE,
        'MaskableActorCriticPolicy',
        'MaskableActorCriticCnnPolicy',
        'MaskableMultiInputActorCriticPolicy',
    ),
    **{
        name: one
        for module, family, mlp in (
            ('stable_baselines3.sac', _SQUASHED, 'SACPolicy'),
            ('sb3_contrib.tqc', _SQUASHED, 'TQCPolicy'),
            ('stable_baselines3.td3', _DETERMINISTIC, 'TD3Policy'),
            ('stable_baselines3.dqn', _Q_VALUES, 'DQNPolicy'),
            ('sb3_contrib.qrdqn', _QUANTILES, 'QRDQNPolicy'),
        )
        for name, one in _classes(
            f'{module}.policies', family, mlp, 'CnnPolicy', 'MultiInputPolicy'
        ).items()
    },
}
"""Every policy class that can be read."""


def algorithm(policy_class: str, data: Mapping[str, Any]) -> str:
    """
    Return the algorithm that trained a policy; the file does not say, its settings do.

    :param policy_class: name of the policy class.
    :param data: the settings in the file.
    """
    family = POLICY_CLASSES[policy_class].family
    if family is _ACTOR_CRITIC:
        if 'cg_max_steps' in data:
            return 'TRPO'
        return 'PPO' if 'clip_range' in data else 'A2C'
    if family is _DETERMINISTIC:  # DDPG is TD3 with its three additions turned off
        plain = data.get('policy_delay') == 1 and data.get('target_noise_clip') == 0
        return 'DDPG' if plain else 'TD3'
    if family is _SQUASHED:
        return 'TQC' if policy_class.startswith('sb3_contrib.tqc') else 'SAC'
    return {
        'recurrent': 'RecurrentPPO',
        'maskable': 'MaskablePPO',
        'q_values': 'DQN',
        'quantiles': 'QR-DQN',
    }[family.name]
