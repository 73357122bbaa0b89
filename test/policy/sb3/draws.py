"""
The side that has torch: what models of Stable-Baselines3 draw, from their own distributions.

Run as ``reference.py`` is: ``draws.py FOLDER CASE …``. Writes for each case the model (``.zip``),
and noise with what torch's distribution makes of it (``.npz``): mean and deviation, logits, or
probabilities are torch's; the noise is put in by the formula with which torch itself, or the
Gumbel-max theorem, makes a draw of them.
"""

from __future__ import annotations

import pathlib
import sys
import warnings
import zlib

import numpy as np
import sb3_cases
import torch
from reference import make, observations

BIT = torch.distributions.Bernoulli


def distribution(case, policy, tensor, masks):
    """Return torch's distributions of the actions, one for each branch."""
    if case.algorithm in ('SAC', 'TQC'):
        mean, log_std, more = policy.actor.get_action_dist_params(tensor)
        return [policy.actor.action_dist.proba_distribution(mean, log_std, **more).distribution]
    if case.is_recurrent:
        layers, _, width = policy.lstm_hidden_state_shape
        zeros = torch.zeros(layers, sb3_cases.OBSERVATIONS, width)
        starts = torch.zeros(sb3_cases.OBSERVATIONS)
        found, _ = policy.get_distribution(tensor, (zeros, zeros), starts)
    elif case.is_masked:
        found = policy.get_distribution(tensor, action_masks=masks)
    else:
        found = policy.get_distribution(tensor)
    parts = getattr(found, 'distributions', None) or found.distribution
    return parts if isinstance(parts, list) else [parts]


@torch.no_grad()
def draw(case, model, seen, random):
    """Return noise, what is drawn with it, and how far the second choice was behind."""
    policy = model.policy
    policy.set_training_mode(False)
    tensor, _ = policy.obs_to_tensor(seen[''] if '' in seen else seen)
    masks = None
    if case.is_masked:
        masks = random.random((sb3_cases.OBSERVATIONS, policy.action_net.out_features)) < 0.6
        masks[:, 0] = masks[:, -1] = masks[:, masks.shape[1] // 2] = True
    parts = distribution(case, policy, tensor, masks)
    extra = {} if masks is None else {'masks': masks}
    if isinstance(parts[0], torch.distributions.Normal):
        (part,) = parts
        noise = random.standard_normal(part.mean.shape).astype(np.float32)
        drawn = part.mean + part.stddev * torch.as_tensor(noise)
        if case.algorithm in ('SAC', 'TQC'):
            actions = policy.unscale_action(torch.tanh(drawn).numpy())
        else:
            actions = np.clip(drawn.numpy(), model.action_space.low, model.action_space.high)
        return {'noise': noise, 'actions': actions, 'gaps': np.zeros(0)}
    if isinstance(parts[0], BIT):
        (part,) = parts
        noise = random.uniform(size=part.probs.shape).astype(np.float32)
        apart = part.probs - torch.as_tensor(noise)
        return {'noise': noise, 'actions': (apart > 0).numpy(), 'gaps': apart.abs().numpy()}
    noise = [random.gumbel(size=part.logits.shape).astype(np.float32) for part in parts]
    perturbed = [part.logits + torch.as_tensor(one) for part, one in zip(parts, noise)]
    best = [one.topk(2, dim=1).values for one in perturbed]
    return {
        'noise': np.concatenate(noise, axis=1),
        'actions': torch.stack([one.argmax(dim=1) for one in perturbed], dim=1).numpy(),
        'gaps': torch.stack([one[:, 0] - one[:, 1] for one in best], dim=1).numpy(),
        **extra,
    }


def main() -> None:
    """Write what was asked for."""
    folder, chosen = pathlib.Path(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    cases = {case.name: case for case in sb3_cases.CASES}
    for name in chosen:
        torch.manual_seed(zlib.crc32(name.encode()))
        model, _ = make(cases[name])
        model.save(folder / f'{name}.zip')
        seen = observations(cases[name])
        asked = {f'obs{key}': one for key, one in seen.items()}
        random = np.random.default_rng(5)
        np.savez(folder / f'{name}.npz', **asked, **draw(cases[name], model, seen, random))


if __name__ == '__main__':
    main()
