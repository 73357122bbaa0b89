"""What the loop has to say is said in its order, by somebody else."""

import threading

from fournex_runtime.ros.log_thread import LogThread


def test_everything_is_said_in_its_order_and_by_another_thread():
    said, go_on = [], threading.Event()
    log = LogThread()
    log.say(lambda: go_on.wait(30.0))  # whoever says something does not wait for it
    for number in range(100):
        log.say(lambda number=number: said.append((number, threading.get_ident())))
    assert said == []
    go_on.set()
    log.close()
    assert [number for number, _ in said] == list(range(100))
    assert {thread for _, thread in said}.isdisjoint({threading.get_ident()})


def test_what_cannot_be_logged_ends_nothing():
    said = []
    log = LogThread()
    log.say(lambda: 1 / 0)
    log.say(lambda: said.append('after it'))
    log.close()
    log.close()
    assert said == ['after it']
