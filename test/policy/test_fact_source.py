"""Where a fact came from: the most specific key that the contract has for it."""

import pytest
from tiny_session import CONTRACT

from fournex_runtime.policy.contract import Fact, parse_contract
from fournex_runtime.policy.fact_source import array_facts, fact_source, facts_within

FACTS = """\
facts:
  inputs: user
  inputs.obs.scale: {from: deploy.yaml, detail: scales}
  inputs.obs.joint_position: artifact
  inputs.obs.joint_position.clip: {from: file, detail: 'deploy.yaml: clip'}
  inputs.obs.joint_position_error: unknown
  outputs.action.scale: unknown
  default_pose.a: user
  state: artifact
"""
CONTRACT_WITH_FACTS = parse_contract(CONTRACT + FACTS)


@pytest.mark.parametrize(
    ('place', 'source'),
    [
        ('inputs obs joint_position clip', Fact('file', 'deploy.yaml: clip')),
        ('inputs obs joint_position scale', Fact('file', 'deploy.yaml: scales')),
        ('inputs obs joint_position unit', Fact('artifact')),
        ('inputs obs joint_position', Fact('artifact')),
        ('inputs obs last_action scale', Fact('file', 'deploy.yaml: scales')),
        ('inputs obs last_action', Fact('user')),
        ('inputs obs', Fact('user')),
        ('outputs action joint_velocity_target scale', Fact('unknown')),
        ('outputs action joint_velocity_target', None),
        ('default_pose a', Fact('user')),
        ('default_pose b', None),
        ('state h', Fact('artifact')),
        ('period', None),
    ],
)
def test_the_most_specific_key_counts(place, source):
    assert fact_source(CONTRACT_WITH_FACTS, *place.split()) == source


def test_facts_about_parts():
    own = facts_within(CONTRACT_WITH_FACTS, 'inputs', 'obs', 'joint_position')
    assert own == {'clip': Fact('file', 'deploy.yaml: clip')}
    assert set(array_facts(CONTRACT_WITH_FACTS, 'inputs', 'obs')) == {
        'scale', 'joint_position_error',
    }  # fmt: skip
