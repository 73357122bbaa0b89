"""
Makes small policies with LeRobot itself. Run by a Python that has lerobot.

``lerobot_policy.py KIND ROBOT FOLDER`` writes what ``save_pretrained`` does. KIND is ``act`` or
``diffusion``, ROBOT one of:

* ``pick``: two joints and a camera; ``FOLDER/asked.npz`` has states, images, and what
  ``select_action`` makes of one after the other, with both processors.
* ``pendulum``: cart and pole, and the last action in the place of a camera.
"""

import sys

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature

STATE, WORLD = 'observation.state', 'observation.environment_state'
IMAGE = 'observation.images.top'
FEATURES = {
    'pick': {
        STATE: PolicyFeature(FeatureType.STATE, (2,)),
        IMAGE: PolicyFeature(FeatureType.VISUAL, (3, 32, 32)),
    },
    'pendulum': {
        STATE: PolicyFeature(FeatureType.STATE, (2,)),
        WORLD: PolicyFeature(FeatureType.ENV, (1,)),
    },
}
ACTIONS = {'pick': 2, 'pendulum': 1}
NOISE_SEED = 20
"""Fournex has a policy draw the same noise at every call, from this seed."""


def made(kind, features, actions):
    """Return a policy with weights that nobody trained, and what makes its processors."""
    general = {
        'device': 'cpu',
        'push_to_hub': False,
        'pretrained_backbone_weights': None,
        'input_features': features,
        'output_features': {'action': PolicyFeature(FeatureType.ACTION, (actions,))},
    }
    torch.manual_seed(0)
    if kind == 'act':
        from lerobot.policies.act.configuration_act import ACTConfig
        from lerobot.policies.act.modeling_act import ACTPolicy
        from lerobot.policies.act.processor_act import make_act_pre_post_processors

        config = ACTConfig(
            chunk_size=4,
            n_action_steps=2,
            dim_model=16,
            n_heads=2,
            dim_feedforward=16,
            n_encoder_layers=1,
            n_vae_encoder_layers=1,
            latent_dim=4,
            **general,
        )
        return ACTPolicy(config).eval(), make_act_pre_post_processors
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
    from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

    config = DiffusionConfig(
        n_obs_steps=2,
        horizon=8,
        n_action_steps=3,
        crop_shape=None,
        spatial_softmax_num_keypoints=4,
        down_dims=(8, 16),
        kernel_size=3,
        n_groups=4,
        diffusion_step_embed_dim=8,
        num_train_timesteps=20,
        num_inference_steps=3,  # of DDPM, which draws at each of them
        **general,
    )
    return DiffusionPolicy(config).eval(), make_diffusion_pre_post_processors


def statistics(features, actions):
    """Return what a data set would say of its values, for either way of normalising."""

    def of(shape, mean, spread):
        size = (shape[0], *(1 for _ in shape[1:]))
        low, high = mean - 2.0 * spread, mean + 2.0 * spread
        found = {'mean': mean, 'std': spread, 'min': low, 'max': high}
        return {name: torch.full(size, value) for name, value in found.items()}

    given = {name: of(feature.shape, 0.25, 0.5) for name, feature in features.items()}
    return {**given, 'action': of((actions,), 1.0, 2.0)}


def answers(policy, before, after):
    """Return states, images, and what the policy commands, one after the other."""
    random = np.random.default_rng(0)
    states = random.normal(size=(8, 2)).astype(np.float32)
    images = random.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    actions = []
    for state, image in zip(states, images):
        seen = torch.from_numpy(image).permute(2, 0, 1).float() / 255.0
        given = before({STATE: torch.from_numpy(state), IMAGE: seen})
        torch.manual_seed(NOISE_SEED)
        actions.append(after(policy.select_action(given)).numpy()[0])
    return {'states': states, 'images': images, 'actions': np.stack(actions)}


def main(kind, robot, folder):
    features, actions = FEATURES[robot], ACTIONS[robot]
    policy, make_processors = made(kind, features, actions)
    before, after = make_processors(policy.config, statistics(features, actions))
    for one in (policy, before, after):
        one.save_pretrained(folder)
    if robot == 'pick':
        np.savez(f'{folder}/asked.npz', **answers(policy, before, after))


if __name__ == '__main__':
    main(*sys.argv[1:])
