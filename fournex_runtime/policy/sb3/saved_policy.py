"""
Model files of Stable-Baselines3 and sb3-contrib (``model.save()``), read without running them.

The zip holds ``data`` (JSON, where what JSON cannot say is pickled), ``policy.pth`` (the weights)
and optimizers, which are not read (``stable_baselines3.common.save_util.save_to_zip_file``). Of
``data``, four pickled values are needed; they are read as data (:mod:`inert_pickle`). The others,
and they may hold anything, stay unread.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...configuration import nearest
from ...errors import ArtifactError
from ..zip_members import ZipMembers
from .inert_pickle import Name, Record, Vocabulary, read_pickle
from .numpy_records import NUMPY, as_number, describe
from .policy_classes import EXTRACTORS_MODULE, POLICY_CLASSES, PolicyClass, algorithm
from .spaces import SPACES, Box, Dict, Space, as_space
from .torch_weights import Weights, read_weights

EXPORT_HINT = (
    'What a training script defines itself is not in the file: export the policy to ONNX in its '
    'training environment and use that'
)
_TYPES = Vocabulary(
    types=frozenset(
        {
            'torch.nn.modules.activation.*',
            'torch.nn.modules.linear.Identity',
            'stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike',
            *POLICY_CLASSES,
        }
        | {f'{EXTRACTORS_MODULE}.{name}' for name in ('FlattenExtractor', 'NatureCNN')}
        | {f'{EXTRACTORS_MODULE}.CombinedExtractor'}
        | {
            f'torch.optim.{module}.{name}'
            for module, name in (
                ('adam', 'Adam'),
                ('adamw', 'AdamW'),
                ('adamax', 'Adamax'),
                ('nadam', 'NAdam'),
                ('radam', 'RAdam'),
                ('rmsprop', 'RMSprop'),
                ('sgd', 'SGD'),
            )
        }
    )
)
_USED: Mapping[str, tuple[type, ...]] = {
    'activation_fn': (Name, type(None)),
    'clip_mean': (int, float, Record),
    'features_extractor_class': (Name, type(None)),
    'features_extractor_kwargs': (dict, type(None)),
    'lstm_kwargs': (dict, type(None)),
    'normalize_images': (bool,),
    'sde_net_arch': (type(None),),
    'squash_output': (bool,),
}
"""Arguments of policies that change what they do, and their types."""
_OTHERS = (
    ('enable_critic_lstm', 'full_std', 'log_std_init', 'lstm_hidden_size', 'n_critics')
    + ('n_lstm_layers', 'n_quantiles', 'net_arch', 'optimizer_class', 'optimizer_kwargs')
    + ('ortho_init', 'share_features_extractor', 'shared_lstm', 'use_expln', 'use_sde')
)
"""Arguments that matter in training alone, or that the weights say too."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sb3Policy:
    """
    A saved policy, as it stands in the file.

    :param file: where it was read from.
    :param algorithm: what trained it: PPO, A2C, TRPO, RecurrentPPO, MaskablePPO, SAC, TQC, TD3,
        DDPG, DQN or QR-DQN.
    :param policy_class: full name of its class.
    :param kind: what that class is made of.
    :param observation_space: what it sees; images with their channels first, as in the network.
    :param action_space: what it does.
    :param weights: all its tensors by name.
    :param keywords: ``policy_kwargs`` of the training, classes as :class:`inert_pickle.Name`.
    :param versions: what wrote the file, by package.
    """

    file: pathlib.Path
    algorithm: str
    policy_class: str
    kind: PolicyClass
    observation_space: Space
    action_space: Space
    weights: Weights
    keywords: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def is_squashed(self) -> bool:
        """Return whether raw actions lie in [-1, 1] and stand for the range of the space."""
        if self.kind.family.name in ('squashed', 'deterministic'):
            return True
        return bool(self.keywords.get('squash_output', False))


def parse_sb3(content: bytes, file: pathlib.Path) -> Sb3Policy:
    """
    Read a model that Stable-Baselines3 or sb3-contrib saved; nothing in it is run.

    :param content: the zip archive of ``model.save()``.
    :param file: where it comes from, for errors.
    :raises ArtifactError: it is damaged, dangerous, or holds what is not supported.
    """
    members = ZipMembers(content, str(file))
    data = _Data(members['data'], f'{file}: data')
    policy_class = str(data.name('policy_class'))
    if policy_class not in POLICY_CLASSES:
        raise ArtifactError(
            f'{file}: data: policy_class: {policy_class} is not supported.'
            f'{nearest(policy_class, list(POLICY_CLASSES))} {EXPORT_HINT}'
        )
    keywords = data.keywords()
    observation_space = as_space(
        data.value('observation_space', SPACES), f'{file}: data: observation_space'
    )
    action_space = as_space(data.value('action_space', SPACES), f'{file}: data: action_space')
    if isinstance(action_space, Dict):
        raise ArtifactError(f'{file}: data: action_space: a Dict, which no policy here gives')
    policy = Sb3Policy(
        file,
        algorithm(policy_class, data.settings),
        policy_class,
        POLICY_CLASSES[policy_class],
        observation_space,
        action_space,
        read_weights(members['policy.pth'], f'{file}: policy.pth'),
        keywords,
        _versions(members),
    )
    if policy.is_squashed and not isinstance(action_space, Box):
        raise ArtifactError(
            f'{file}: data: action_space: {policy.algorithm} with squashed actions needs a Box, '
            f'found {type(action_space).__name__}'
        )
    return policy


class _Data:
    """The member ``data``: settings by name, in JSON or pickled in it."""

    def __init__(self, text: bytes, where: str) -> None:
        self._where = where
        try:
            settings = json.loads(text.decode(), object_pairs_hook=self._once)
        except (ValueError, RecursionError) as problem:
            raise ArtifactError(f'{where}: not readable as JSON: {problem}') from problem
        if not isinstance(settings, dict):
            raise ArtifactError(f'{where}: expected settings by name, found {describe(settings)}')
        self.settings: dict[str, Any] = settings

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ArtifactError(f'{self._where}: a name twice among {sorted(found)[:12]}')
        return found

    def value(self, name: str, vocabulary: Vocabulary) -> Any:
        """Return one setting; a pickled one by the names that it may use."""
        if name not in self.settings:
            raise ArtifactError(
                f'{self._where}: has no {name!r}; is this a model that Stable-Baselines3 saved?'
            )
        value = self.settings[name]
        if not isinstance(value, dict) or ':serialized:' not in value:
            return value
        where = f'{self._where}: {name}'
        try:
            pickled = base64.b64decode(value[':serialized:'], validate=True)
        except (binascii.Error, TypeError, ValueError) as problem:
            raise ArtifactError(f'{where}: not readable as base64: {problem}') from problem
        return read_pickle(pickled, vocabulary, where, EXPORT_HINT)

    def name(self, name: str) -> Name:
        """Return a setting that is a class."""
        value = self.value(name, _TYPES)
        if not isinstance(value, Name):
            raise ArtifactError(
                f'{self._where}: {name}: expected a class, found {describe(value)}'
            )
        return value

    def keywords(self) -> Mapping[str, Any]:
        """Return ``policy_kwargs``."""
        where = f'{self._where}: policy_kwargs'
        found = self.value('policy_kwargs', _TYPES | NUMPY)
        if not isinstance(found, dict):
            raise ArtifactError(f'{where}: expected settings by name, found {describe(found)}')
        for name, value in found.items():
            if name not in _USED and name not in _OTHERS:
                raise ArtifactError(
                    f'{where}: {name!r} is no argument of the policies here.'
                    f'{nearest(str(name), [*_USED, *_OTHERS])} {EXPORT_HINT}'
                )
            if name in _USED and not isinstance(value, _USED[name]):
                kinds = ', '.join(kind.__name__ for kind in _USED[name])
                raise ArtifactError(
                    f'{where}: {name}: expected {kinds}, found {describe(value)}. {EXPORT_HINT}'
                )
        if 'clip_mean' in found:
            found['clip_mean'] = as_number(found['clip_mean'], f'{where}: clip_mean')
        return MappingProxyType(found)


def _versions(members: ZipMembers) -> Mapping[str, str]:
    """Return what ``system_info.txt`` and the version member say; older files have neither."""
    versions = {}
    if 'system_info.txt' in members:
        for line in members['system_info.txt'].decode(errors='replace').splitlines()[:100]:
            name, _, version = line.lstrip('- ').partition(': ')
            if version:
                versions[name] = version[:200]
    if '_stable_baselines3_version' in members:
        text = members['_stable_baselines3_version'].decode(errors='replace')
        versions['Stable-Baselines3'] = text.strip()[:40]
    return MappingProxyType(versions)
