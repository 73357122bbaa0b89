"""
Makes a small ACT policy with LeRobot itself. Run by a Python that has lerobot.

``lerobot_policy.py FOLDER`` writes what ``save_pretrained`` does, and ``FOLDER/asked.npz``:
states, images, and what ``select_action`` makes of one after the other, with both processors.
"""

import sys

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.act.processor_act import make_act_pre_post_processors

STATE, IMAGE = 'observation.state', 'observation.images.top'


def main(folder):
    torch.manual_seed(0)
    config = ACTConfig(
        device='cpu',
        chunk_size=4,
        n_action_steps=2,
        dim_model=16,
        n_heads=2,
        dim_feedforward=16,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        latent_dim=4,
        pretrained_backbone_weights=None,
        push_to_hub=False,
        input_features={
            STATE: PolicyFeature(FeatureType.STATE, (2,)),
            IMAGE: PolicyFeature(FeatureType.VISUAL, (3, 32, 32)),
        },
        output_features={'action': PolicyFeature(FeatureType.ACTION, (2,))},
    )
    statistics = {
        STATE: {'mean': torch.tensor([0.1, 0.2]), 'std': torch.tensor([1.0, 2.0])},
        IMAGE: {'mean': torch.full((3, 1, 1), 0.5), 'std': torch.full((3, 1, 1), 0.25)},
        'action': {'mean': torch.tensor([1.0, 2.0]), 'std': torch.tensor([0.5, 2.0])},
    }
    policy = ACTPolicy(config).eval()
    before, after = make_act_pre_post_processors(config, statistics)
    for one in (policy, before, after):
        one.save_pretrained(folder)
    random = np.random.default_rng(0)
    states = random.normal(size=(6, 2)).astype(np.float32)
    images = random.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    actions = []
    for state, image in zip(states, images):
        seen = torch.from_numpy(image).permute(2, 0, 1).float() / 255.0
        given = before({STATE: torch.from_numpy(state), IMAGE: seen})
        actions.append(after(policy.select_action(given)).numpy()[0])
    np.savez(f'{folder}/asked.npz', states=states, images=images, actions=np.stack(actions))


if __name__ == '__main__':
    main(sys.argv[1])
