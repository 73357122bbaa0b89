"""What the doctor says of frames, as a function of what was seen."""

import pytest
from framed_session import CONTRACT, FRAMED
from ros_messages import ODOMETRY, POSE, cdr, header, pose
from tf_messages import UPRIGHT, tf
from tiny_session import edited, make_engine

from fournex_runtime.doctor.examination import examine
from fournex_runtime.doctor.finding import Level
from fournex_runtime.doctor.survey import Case, Endpoint, Sample, Survey, Topic
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.told_transforms import TF_TYPE

MS = 1_000_000
BOTH = (Endpoint('localisation', TF_TYPE), Endpoint('driver', TF_TYPE))


def topic(name, publishers, *data):
    samples = [Sample(index * MS, index * MS, None, one) for index, one in enumerate(data)]
    return Topic(name, publishers, (), tuple(samples))


def findings(contract, wiring, topics):
    engine = make_engine(contract, wiring)
    case = Case(engine.bundle, engine.wiring, messages())
    seen = {source.topic: Topic(source.topic) for source in engine.wiring.sources}
    seen.update({target.topic: Topic(target.topic) for target in engine.wiring.targets})
    survey = Survey(0, 10 * MS, {**seen, **topics}, {}, robot_description='')
    return examine(case, survey)


def seen(*transforms):
    goal = cdr(POSE, header=header(0, 'map'), pose=pose((1.0, 0.0, 0.0)))
    return {
        'goal': topic('/goal', (Endpoint('planner', POSE),), goal),
        '/tf': topic('/tf', BOTH, *transforms),
    }


def test_goal_and_base_that_tf_connects_pass_and_tf_may_have_many_publishers():
    transforms = [
        tf(('map', 'odom', (1.0, 0.0, 0.0), UPRIGHT)),
        tf(('odom', 'base', (1.0, 0.0, 0.0), UPRIGHT)),
    ]
    found = findings(CONTRACT, FRAMED, seen(*transforms))
    bad = [one for one in found if one.level in (Level.WARNING, Level.FAILURE)]
    assert {(one.check, one.subject) for one in bad} == {
        ('listener', 'outputs.joint_velocity_target'),
        ('topic', 'reward'),
    }
    assert any(one.check == 'shape' and 'goal_relative' in one.subject for one in found)


def test_a_frame_that_tf_does_not_connect_is_a_failure_of_the_term_that_needs_it():
    found = findings(CONTRACT, FRAMED, seen(tf(('odom', 'base', (1.0, 0.0, 0.0), UPRIGHT))))
    (failed,) = [one for one in found if one.level is Level.FAILURE]
    assert (failed.check, failed.subject) == ('frame', 'inputs.goal_relative')
    assert failed.found.endswith("tf has no frame 'map'. It has odom → base")
    assert failed.mend.endswith('or let tf say where that frame is')


def test_a_term_that_is_a_frame_and_nothing_else_is_looked_up_too():
    height = edited(CONTRACT, ('{term: goal_relative, layout: xy}', '{term: base_height}'))
    start, end = FRAMED.index('      goal_rel'), FRAMED.index('    outputs:')
    wired = FRAMED[:start] + '      base_height: {frame: base, in: map}\n' + FRAMED[end:]
    found = findings(height, wired, {})
    (failed,) = [one for one in found if one.level is Level.FAILURE]
    assert (failed.check, failed.subject) == ('frame', 'frames')
    assert "base_height: where 'base' is in 'map': tf has no frame 'map'" in failed.found


@pytest.mark.parametrize(('child', 'level'), [('base', Level.PASS), ('imu', Level.FAILURE)])
def test_the_body_of_an_odometry_is_its_child_frame(child, level):
    velocity = '{term: base_linear_velocity, frame: base}'
    contract = edited(CONTRACT, ('{term: goal_relative, layout: xy}', velocity))
    start, end = FRAMED.index('      goal_rel'), FRAMED.index('    outputs:')
    port = '      base_linear_velocity: {topic: odom, type: nav_msgs/msg/Odometry, budget: 1 s}\n'
    wired = edited(FRAMED[:start] + port + FRAMED[end:], ('    frames: {budget: 100 ms}\n', ''))
    message = cdr(ODOMETRY, header=header(1, 'odom'), child_frame_id=child)
    topics = {'odom': topic('/odom', (Endpoint('driver', ODOMETRY),), message)}
    found = findings(contract, wired, topics)
    (frame,) = [one for one in found if one.check == 'frame']
    assert frame.level is level
    if level is Level.FAILURE:
        assert "is of frame 'imu', the contract wants 'base'" in frame.found
        assert 'write frames: {budget: 200 ms}, to look it up in tf' in frame.mend
