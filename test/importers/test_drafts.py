"""Answers and facts: what is asked, what contradicts, what nobody asked for; and the bundle."""

from __future__ import annotations

import pytest

from fournex_runtime.errors import AnswerError, BundleError, OpenQuestions
from fournex_runtime.importers.answers import Answers
from fournex_runtime.importers.draft import Draft
from fournex_runtime.importers.questions import (
    Question,
    by_joint,
    choice,
    duration,
    names,
    number,
    numbers,
    positive,
    whole,
)


def draft(*settings: str, override: str = '') -> Draft:
    answers = Answers()
    answers.add_settings(settings, '--set')
    answers.add_settings([override] if override else [], '--override', overrides=True)
    return Draft(answers)


def test_what_the_artifact_says_is_a_fact_with_its_place():
    one = draft()
    assert one.known('scale', [1.0, 2.0], 'deploy.yaml: scale') == [1.0, 2.0]
    assert str(one.facts['scale']) == 'file: deploy.yaml: scale'


def test_an_equal_answer_changes_nothing():
    one = draft('scale=[1, 2]')
    assert one.known('scale', (1.0, 2.0), 'deploy.yaml: scale') == (1.0, 2.0)
    assert one.facts['scale'].source == 'file'


def test_a_contradiction_is_refused_unless_it_overrides():
    with pytest.raises(
        AnswerError, match='deploy.yaml: scale says 1.0, the answer is 2.*--override'
    ):
        draft('scale=2').known('scale', 1.0, 'deploy.yaml: scale', number())
    one = draft(override='scale=2')
    assert one.known('scale', 1.0, 'deploy.yaml: scale', number()) == 2.0
    assert str(one.facts['scale']) == 'user: instead of 1.0 of deploy.yaml: scale'


def test_what_stands_in_several_places_cannot_be_overridden():
    with pytest.raises(AnswerError, match='change these in the policy.yaml of the bundle'):
        draft(override='clip=2').known('clip', 1.0, 'deploy.yaml: clip')


def test_a_question_is_open_until_it_is_answered():
    question = Question('period', 'the control period', duration())
    one = draft()
    assert one.ask(question) is None
    assert one.open == [question]
    one = draft('period=20 ms')
    assert one.ask(question) == '20 ms'
    assert (one.open, one.facts['period'].source) == ([], 'user')


def test_an_answer_that_nobody_asked_for_is_noticed():
    one = draft('perod=20 ms')
    one.ask(Question('period', 'the control period', duration()))
    assert one.unused == ('perod',)


@pytest.mark.parametrize(
    ('expected', 'text', 'value'),
    [
        (duration(), '20 ms', '20 ms'),
        (number(), '-2', -2.0),
        (positive(), '0.5', 0.5),
        (whole(2), '2', 2),
        (numbers(3), '1', (1.0, 1.0, 1.0)),
        (numbers(2), '[1, 2]', (1.0, 2.0)),
        (names(2), '[a, b]', ('a', 'b')),
        (names(None), '[1]', ('1',)),
        (by_joint(['a', 'b'], 'rad'), '{b: 2, a: 1}', {'a': 1.0, 'b': 2.0}),
        (by_joint(['a', 'b'], 'rad'), '[1, 2]', {'a': 1.0, 'b': 2.0}),
        (choice('yes', 'no'), 'yes', 'yes'),
        (choice('yes', 'no'), 'false', 'no'),
    ],
)
def test_answers_are_read(expected, text, value):
    assert draft(f'k={text}').ask(Question('k', 'it', expected)) == value


@pytest.mark.parametrize(
    ('expected', 'text', 'message'),
    [
        (duration(), '20', 'is not a duration'),
        (duration(), '20 m', 'is not a duration'),
        (number(), 'x', "expected a number, found 'x'"),
        (number(), 'true', 'expected a number, found True'),
        (number(), '.nan', 'expected a finite number'),
        (positive(), '0', 'expected a number above 0'),
        (whole(2), '1', 'a whole number of at least 2'),
        (whole(), '1.5', 'a whole number of at least 1'),
        (numbers(3), '[1, 2]', 'expected 3 numbers, found 2'),
        (names(2), 'a', 'expected a list of names'),
        (names(2), '[a]', 'expected 2 names, found 1'),
        (names(2), '[a, a]', 'expected each name once, found a twice'),
        (by_joint(['hip', 'knee'], 'rad'), '{hip: 1}', 'lacks knee'),
        (by_joint(['hip'], 'rad'), '{hop: 1}', 'hop is none of the joints. Did you mean hip?'),
        (choice('yes', 'no'), 'maybe', 'expected one of yes, no'),
    ],
)
def test_what_is_no_answer_is_refused_with_the_option(expected, text, message):
    with pytest.raises(AnswerError, match=f'--set k: .*{message}'):
        draft(f'k={text}').ask(Question('k', 'it', expected))


@pytest.mark.parametrize('setting', ['period', 'period=', '=20 ms', 'period=[1', 'k=!x 1'])
def test_a_setting_that_is_none_is_refused(setting):
    with pytest.raises(AnswerError, match='--set'):
        one = draft(setting)
        one.ask(Question('k', 'it', number()))


def test_two_answers_to_one_question_are_refused(tmp_path):
    (tmp_path / 'a.yaml').write_text('period: 20 ms\n')
    answers = Answers()
    answers.add_settings(['period=30 ms'], '--set')
    with pytest.raises(
        AnswerError, match='period is answered twice: by --set period and by .*a.yaml'
    ):
        answers.add_file(tmp_path / 'a.yaml')


PPO = {
    'period': '20 ms',
    'inputs.obs': [{'term': 'value', 'size': 6}],
    'outputs.actions': [{'term': 'value', 'size': 2}],
    'normaliser': 'none',
}


@pytest.fixture
def zip_alone(saved, tmp_path):
    """Return a saved model without anything beside it."""
    (tmp_path / 'run').mkdir()
    file = tmp_path / 'run' / 'hopper.zip'
    file.write_bytes((saved / 'ppo.zip').read_bytes())
    return file


def test_every_open_question_is_in_the_error(import_to, zip_alone):
    with pytest.raises(OpenQuestions) as caught:
        import_to(zip_alone, {'perod': '20 ms'})
    text = str(caught.value)
    assert 'hopper.zip: does not say 4 facts' in text
    for key in PPO:
        assert f'--set {key}=' in text or f"--set '{key}=" in text
    assert 'asked for by nothing so far: perod. Did you mean period?' in text


def test_an_answer_for_nothing_is_refused_with_the_nearest_key(import_to, zip_alone):
    with pytest.raises(AnswerError, match='called output.actions. Did you mean outputs.actions?'):
        import_to(zip_alone, {**PPO, 'output.actions': 1})


def test_the_bundle_is_sealed_and_canonical(import_to, zip_alone):
    bundle = import_to(zip_alone, PPO)
    assert bundle.contract.reference == 'hopper@1'
    assert (bundle.folder / 'policy.yaml').read_text() == bundle.contract.to_text()
    assert sorted(one.name for one in bundle.folder.iterdir()) == ['policy.yaml', 'policy.zip']


def test_name_and_version_are_the_users(import_to, zip_alone):
    bundle = import_to(zip_alone, {**PPO, 'name': 'jumper', 'version': 7})
    assert bundle.contract.reference == 'jumper@7'


def test_nothing_is_overwritten_and_nothing_is_left(import_to, zip_alone, tmp_path):
    import_to(zip_alone, PPO)
    before = (tmp_path / 'bundle' / 'policy.yaml').read_bytes()
    with pytest.raises(BundleError, match='is there already; nothing is overwritten'):
        import_to(zip_alone, {**PPO, 'name': 'other'})
    assert (tmp_path / 'bundle' / 'policy.yaml').read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ['bundle', 'run']


def test_an_import_that_fails_at_the_end_leaves_nothing(import_to, zip_alone, tmp_path):
    (tmp_path / 'bundle').write_text('a file in the place of the folder')
    with pytest.raises(BundleError, match='is there already'):
        import_to(zip_alone, PPO)
    assert sorted(one.name for one in tmp_path.iterdir()) == ['bundle', 'run']
