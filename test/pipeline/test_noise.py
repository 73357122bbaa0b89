"""Noise as an input: its bits, its distributions, and that a seed says all of it."""

import math
import statistics

import numpy as np
import pytest
from tiny_session import CONTRACT, edited

from fournex_runtime.errors import ContractError
from fournex_runtime.pipeline.noise import natural_logarithm, noise, normal_quantile
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.term_kinds import NOISE_DISTRIBUTIONS


def many(distribution, count=40_000):
    return noise(7, 'noise', 3, count, distribution)


def test_the_bits_are_those_of_philox_as_published():
    """Known answer of Random123 for counter and key 0 (numpy counts up before it draws)."""
    full = np.full(4, 2**64 - 1, np.uint64)
    drawn = np.random.Philox(counter=full, key=np.zeros(2, np.uint64)).random_raw(4)
    assert [f'{one:016x}' for one in drawn.tolist()] == [
        '16554d9eca36314c',
        'db20fe9d672d0fdc',
        'd7e772cee186176b',
        '7e68b68aec7ba23b',
    ]


def test_the_same_bits_on_every_machine():
    """Written down once: no library, no processor may change them."""
    found = {one: noise(42, 'noise', 5, 3, one) for one in NOISE_DISTRIBUTIONS}
    assert {name: [one.hex() for one in values.tolist()] for name, values in found.items()} == {
        'normal': ['-0x1.6dffaa9b22efep-1', '-0x1.263defdc021eep+0', '-0x1.2c5ebd5d30d04p-3'],
        'uniform': ['0x1.e619a80000000p-3', '0x1.0068680000000p-3', '0x1.c44c840000000p-2'],
        'gumbel': ['-0x1.741de88934222p-2', '-0x1.76715b705b4e0p-1', '0x1.9d9caa6575910p-3'],
    }


@pytest.mark.parametrize('distribution', NOISE_DISTRIBUTIONS)
def test_seed_name_and_tick_say_all_of_it(distribution):
    one = noise(1, 'noise', 0, 4, distribution)
    assert noise(1, 'noise', 0, 4, distribution).tobytes() == one.tobytes()
    assert noise(1, 'noise', 0, 2, distribution).tobytes() == one[:2].tobytes()
    others = [(2, 'noise', 0), (1, 'other', 0), (1, 'noise', 1), (2**64 - 1, 'noise', 10**9)]
    values = {noise(*other, 4, distribution).tobytes() for other in others}
    assert len(values) == 4 and one.tobytes() not in values
    drawn = np.concatenate([noise(*other, 4, distribution) for other in others])
    assert len({*drawn.tolist()}) == drawn.size


def test_uniform():
    found = many('uniform')
    assert found.min() > 0.0 and found.astype(np.float32).max() < 1.0
    assert (found.astype(np.float32) == found).all()
    assert abs(found.mean() - 0.5) < 0.01 and abs(found.var() - 1 / 12) < 0.002


def test_normal():
    found = many('normal')
    assert abs(found.mean()) < 0.02 and abs(found.std() - 1.0) < 0.02
    below = [(found < edge).mean() for edge in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    right = [statistics.NormalDist().cdf(edge) for edge in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    np.testing.assert_allclose(below, right, atol=0.01)


def test_gumbel():
    found = many('gumbel')
    assert abs(found.mean() - 0.5772156649) < 0.03
    for edge in (-1.0, 0.0, 1.0, 3.0):
        assert abs((found < edge).mean() - math.exp(-math.exp(-edge))) < 0.01


def test_the_greatest_of_logits_with_gumbel_noise_is_a_draw_of_their_softmax():
    logits = np.log(np.array([0.6, 0.3, 0.1]))
    chosen = (many('gumbel', 30_000).reshape(-1, 3) + logits).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(chosen) / 10_000, [0.6, 0.3, 0.1], atol=0.02)


def test_the_logarithm_is_within_one_unit_in_the_last_place():
    random = np.random.default_rng(0)
    places = [*random.uniform(0.0, 1.0, 20_000), *random.uniform(0.9, 1.1, 5_000), 2.0**-53, 1e300]
    for x in map(float, places):
        right = math.log(x)
        assert abs(natural_logarithm(x) - right) <= math.ulp(right), x
    assert natural_logarithm(1.0) == 0.0


def test_the_normal_quantile_is_that_of_the_standard_library():
    random, normal = np.random.default_rng(0), statistics.NormalDist()
    places = [*random.uniform(0.0, 1.0, 20_000), 2.0**-53, 1e-300, 1.0 - 2.0**-53, 0.5]
    for p in map(float, places):
        right = normal.inv_cdf(p)
        assert abs(normal_quantile(p) - right) <= 2e-15 * abs(right), p


TERM = '    - {term: last_action, of: clipped}\n'
NOISE = TERM + '    - {term: noise, size: 3, distribution: gumbel}\n'


def test_a_contract_names_it():
    found = parse_contract(edited(CONTRACT, (TERM, NOISE)))
    term = found.observation_terms[-1]
    assert (term.name, term.size, term.options['distribution']) == ('noise', 3, 'gumbel')
    assert term.labels == ('noise_0', 'noise_1', 'noise_2')
    assert found.draws and not parse_contract(CONTRACT).draws
    assert parse_contract(found.to_text()).observation_terms == found.observation_terms


@pytest.mark.parametrize(
    ('before', 'after', 'words'),
    [
        ('size: 3, ', '', 'size'),
        ('gumbel', 'poisson', 'distribution.*normal, uniform, gumbel'),
        (', distribution: gumbel', '', 'distribution'),
        ('gumbel', 'normal, scale: 2.0', r'scale: noise takes no such key'),
        ('gumbel', 'normal, clip: [-1, 1]', r'clip: noise takes no such key'),
        ('gumbel', 'normal, relative_to: 1.0', r'relative_to: noise takes no such key'),
    ],
)
def test_what_a_contract_cannot_say_of_it(before, after, words):
    with pytest.raises(ContractError, match=words):
        parse_contract(edited(CONTRACT, (TERM, edited(NOISE, (before, after)))))
