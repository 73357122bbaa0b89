"""Kinds of observation terms of other packages: found, checked, read, written, refused."""

import re
import sys

import pytest
import yaml
from json_schema import problems
from ros_messages import joint_state
from term_package import MODULE, install
from tf_messages import UPRIGHT, tf
from tiny_session import CONTRACT, WIRING, Run, edited, make_engine

from fournex_runtime.errors import ContractError, WiringError
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.contract_schema import contract_schema
from fournex_runtime.policy.installed_terms import distributions
from fournex_runtime.record.manifest import environment
from fournex_runtime.session.tick import Mode
from fournex_runtime.session.wiring_skeleton import wiring_skeleton

OURS = """\
    - term: joint_position
      joints: [a, b]
      history: 2
      order: oldest_first
"""
THEIRS = '    - {term: my_terms.scaled, name: joint_position, gain: 2}\n'
SCALED = edited(CONTRACT, (OURS, THEIRS), ('joints: same', 'joints: [a, b]'))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a package and makes Python see it until the test ends."""
    places = iter(range(9))

    def put(**options):
        folder = install(tmp_path / str(next(places)), **options)
        monkeypatch.syspath_prepend(str(folder))
        for name in [one for one in sys.modules if one in ('my_terms', 'other_terms')]:
            monkeypatch.delitem(sys.modules, name)

    return put


def contract_of(*changes):
    return parse_contract(edited(SCALED, *changes))


def test_a_term_of_a_package_goes_through_a_session(installed):
    installed()
    run = Run(make_engine(SCALED))
    record = run.tick(run.joints(0.25, -0.5), episode='one')
    assert record.observation['obs'].tolist() == [[0.5, -1.0, 0.0, 0.0]]


def test_arithmetic_and_history_are_those_of_every_term(installed):
    installed()
    more = 'gain: 2, joints_of: [b], scale: 10, clip: [-1, 1], history: 2, order: newest_first'
    run = Run(make_engine(edited(SCALED, ('gain: 2', more))))
    run.tick(run.joints(0.0, 0.25), episode='one')
    record = run.tick(run.joints(0.0, 5.0))
    assert record.observation['obs'][0, :2].tolist() == [10.0, 5.0]


def test_the_contract_says_it_whole_and_the_schema_lets_it_pass(installed):
    installed()
    contract = contract_of(('gain: 2', 'gain: 2, joints_of: [b]'))
    term = contract.observation_terms[0]
    assert (term.kind, term.labels, term.unit) == ('my_terms.scaled', ('b',), 'rad')
    text = contract.to_text()
    assert parse_contract(text).observation_terms == contract.observation_terms
    schema = contract_schema()
    assert problems(yaml.safe_load(SCALED), schema, whole=schema) == []


def test_package_and_version_are_in_the_environment_of_a_recording(installed):
    installed()
    contract = contract_of()
    assert distributions([contract]) == {'my_terms.scaled': 'my-terms 1.2.3'}
    assert environment([], [contract])['term.my_terms.scaled'] == 'my-terms 1.2.3'
    assert not [key for key in environment([]) if key.startswith('term.')]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('gain: 2', 'gian: 2'), 'gain is missing: expected a number'),
        (('gain: 2', 'gain: 2, joint_of: [a]'), 'unknown key. Did you mean joints_of?'),
        (('gain: 2', 'gain: two'), 'gain: expected a number, found '),
        (('gain: 2', 'gain: 0'), ': gain 0 says nothing'),
        (('gain: 2', 'gain: 2, scale: [1, 2, 3]'), 'a list of 2; found a list of 3'),
        (('my_terms.scaled', 'my_terms.sclaed'), 'Did you mean my_terms.scaled?'),
        (
            ('my_terms.scaled', 'your_terms.scaled'),
            'term: your_terms.scaled is not installed here: install the package that has it, '
            'perhaps pip install your-terms. Installed: my_terms.scaled (entry points of '
            'fournex.observation_terms)',
        ),
        (('my_terms.scaled', 'my_terms.'), "'my_terms.' is no name of a kind"),
    ],
)
def test_what_a_contract_says_is_read_as_strictly_as_ours(installed, change, words):
    installed()
    with pytest.raises(ContractError) as refusal:
        contract_of(change)
    assert words in str(refusal.value)
    assert 'policy.yaml:' in str(refusal.value)


SAYS = 'class Scaled(ObservationTerm):\n    labels = lambda self, options: ("a",)\n'


@pytest.mark.parametrize(
    ('module', 'words'),
    [
        ('import nothing_like_it', 'my_terms:Scaled cannot be imported: ModuleNotFoundError'),
        ('Scaled = 7', 'my_terms:Scaled is a int, expected a fournex_runtime.custom_terms.Obs'),
        (SAYS, "cannot be imported: NameError: name 'ObservationTerm' is not defined"),
        ('from fournex_runtime.custom_terms import *\n' + SAYS, 'cannot be imported: TypeError'),
        (
            edited(MODULE, ("    unit = 'rad'\n", "    ports = ('', 'b')\n")),
            "ports ('', 'b'): exp",
        ),
        (edited(MODULE, ("number('gain')", "number('scale')")), 'options: expected Options with'),
        (edited(MODULE, ("or ('a', 'b')", "or ('a', 'a')")), "names its values ['a', 'a']: exp"),
        (edited(MODULE, ("or ('a', 'b')", 'or (1, 2)')), 'names its values [1, 2]: expected'),
        (
            edited(MODULE, ("options['joints_of'] or", "options['x'] or")),
            "labels raised KeyError: 'x'",
        ),
    ],
)
def test_a_package_that_gives_no_term_is_named(installed, module, words):
    installed(module=module)
    with pytest.raises(ContractError) as refusal:
        contract_of()
    assert words in str(refusal.value)


def test_two_packages_with_one_name_are_refused(installed):
    installed()
    installed(name='other-terms', entry='my_terms.scaled = other_terms:Scaled', version='7')
    with pytest.raises(ContractError, match='there twice: in my-terms 1.2.3 and other-terms 7'):
        contract_of()


def test_one_that_is_seen_twice_is_one(installed):
    installed()
    installed()
    assert contract_of().observation_terms[0].size == 2


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (
            ('type: sensor_msgs/msg/JointState', 'type: sensor_msgs/msg/Imu'),
            'cannot be read from sensor_msgs/msg/Imu; expected one of sensor_msgs/msg/JointState',
        ),
        (('budget: 50 ms', 'budget: 50 ms, unit: deg'), 'unit: is not for a my_terms.scaled'),
        (('budget: 50 ms', 'budget: 50 ms, field: effort'), 'field: is not for a my_terms.scaled'),
        (('budget: 50 ms', 'budget: 50 ms, joints: [a, b]'), 'joints: is not for a my_terms.sca'),
    ],
)
def test_what_a_wiring_cannot_ask_of_it(installed, change, words):
    installed()
    with pytest.raises(WiringError) as refusal:
        make_engine(SCALED, edited(WIRING, change))
    assert words in str(refusal.value)


def test_another_unit_is_refused(installed):
    installed()
    with pytest.raises(WiringError, match='a my_terms.scaled is in rad, the contract counts in d'):
        make_engine(edited(SCALED, ('gain: 2', 'gain: 2, unit: deg')))


@pytest.mark.parametrize(
    ('body', 'fault'),
    [
        ('return [1.0]', 'invalid: joint_position: my_terms.scaled gave values of shape [1], exp'),
        ('return [[1.0, 2.0]]', 'my_terms.scaled gave values of shape [1, 2], expected [2]'),
        ('return "no number"', 'invalid: joint_position: my_terms.scaled raised ValueError'),
        ('return 1 / 0', 'invalid: joint_position: my_terms.scaled raised ZeroDivisionError: div'),
        ('raise MessageError("it lacks a foot")', 'invalid: joint_position: it lacks a foot'),
        ('return [float("nan"), 1.0]', 'non_finite: joint_position: not finite at a'),
        ('return messages[""].orientation', 'raised AttributeError: '),
    ],
)
def test_whatever_it_does_in_the_loop_is_a_fault_of_the_input(installed, body, fault):
    begin = MODULE.index("        state = messages['']")
    module = MODULE[:begin] + f'        {body}\n'
    installed(module=edited(module, ('import Obs', 'import MessageError, Obs')))
    run = Run(make_engine(SCALED))
    record = run.tick(run.joints(), episode='one')
    assert record.mode is Mode.STOPPED and fault in record.cause


def test_several_ports_are_wired_and_read_by_name(installed):
    module = edited(
        MODULE,
        ("message_types = {'': (", "ports = ('left', 'right')\n    message_types = {'left': ("),
        ("state = messages['']", "state = messages['right']"),
    )
    installed(module=module)
    topic = '{topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}'
    other = topic.replace('joint_states', 'more')
    two = f'\n        left: {topic}\n        right: {other}'
    run = Run(make_engine(SCALED, edited(WIRING, (' ' + topic, two))))
    both = run.joints(), [joint_state(['a', 'b'], [3.0, 4.0], run.now_ns)]
    assert run.tick(*both, episode='one').observation['obs'][0, :2].tolist() == [6.0, 8.0]


def test_where_frames_are_and_its_own_with_the_prefix(installed):
    body = MODULE.index("        state = messages['']")
    module = MODULE[:body] + (
        "        there = frames.between('map', term.frame)\n"
        '        return [there.translation.x, there.translation.y]\n'
    )
    installed(module=module)
    framed = edited(WIRING, ('    reward: {', '    frames: {budget: 1 s}\n    reward: {'))
    contract = edited(SCALED, ('gain: 2', 'gain: 2, frame: base'))
    run = Run(make_engine(contract, framed, frame_prefix='r1/'))
    there = [tf(('map', 'r1/base', (1.0, 2.0, 0.0), UPRIGHT))]
    record = run.tick(run.joints(), [], there, episode='one')
    assert record.observation['obs'][0, :2].tolist() == [1.0, 2.0]


def test_the_page_shows_a_package_that_works(installed, checkout):
    page = (checkout / 'docs/custom-terms.md').read_text()
    (module,) = re.findall(r'```python\n(.*?)```', page, re.DOTALL)
    (entry,) = re.findall(r'"(my_robot\.\w+)" = "my_robot_terms:(\w+)"', page)
    contract, wiring = re.findall(r'# in the contract\n(.*)\n# in the wiring\n(.*)\n', page)[0]
    name, target = entry
    installed(module=module, name='my-robot-terms', entry=f'{name} = my_robot_terms:{target}')
    line = WIRING[WIRING.index('      joint_position') : WIRING.index('    outputs')]
    theirs = edited(SCALED, (THEIRS, f'    {contract}\n'))
    run = Run(make_engine(theirs, edited(WIRING, (line, f'      {wiring}\n'))))
    forces = joint_state(['right', 'left'], [], run.now_ns, effort=[30.0, 5.0])
    record = run.tick([forces], episode='one')
    assert record.observation['obs'][0, :2].tolist() == [0.0, 1.0]
    lacking = run.tick([joint_state(['left'], [], run.now_ns, effort=[5.0])], episode='two')
    assert lacking.cause == "invalid: contact: the message has no foot 'right'; it has ['left']"


def test_a_wiring_to_be_filled_in_has_a_place_for_it(installed):
    installed()
    line = '      joint_position: {topic: joint_position, type: sensor_msgs/msg/JointState, '
    assert line in wiring_skeleton(contract_of(), 'bundle')
