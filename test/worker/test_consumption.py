"""What a worker takes too much of, as the runtime sees it; threads as the kernel counts them."""

import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from backend_cases import bundle, contract, onnx_model

from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker import consumption
from fournex_runtime.worker.consumption import Consumption
from fournex_runtime.worker.scratch import MOST_FILES, Scratch
from fournex_runtime.worker.succession import SuccessiveWorkers
from fournex_runtime.worker.thread_limit import most_threads

NOBODY = 65534

COMPUTES = """
import resource, signal, sys, threading, time
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))
print('ready', flush=True)
while sys.stdin.readline():
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass
    print('done', flush=True)
"""

STARTS = """
import sys, threading
threads = int(sys.argv[1])
end = threading.Event()
for _ in range(threads):
    threading.Thread(target=end.wait, daemon=True).start()
print('ready', flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def begin():
    """Return a function that starts a program and waits until it is ready."""
    started = []

    def start(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, '-c', program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == 'ready\n'
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_processor_time_counts_from_the_last_answer_whatever_the_process_says_of_it(
    begin, monkeypatch
):
    monkeypatch.setattr(consumption, 'CPU_S', 0.7)
    process = begin(COMPUTES)
    seen = Consumption(process.pid, 1)

    def compute():
        print(file=process.stdin, flush=True)
        process.stdout.readline()

    assert seen.excess(0) == ''
    compute()
    assert seen.excess(0) == ''
    compute()
    assert seen.excess(0) == 'computed for more than 0.7 s without an answer'
    assert seen.excess(1) == '', 'it has answered'
    compute()
    assert seen.excess(1) == ''
    process.kill()
    process.wait()
    assert seen.excess(1) == '', 'it has ended'


def test_its_threads_are_counted(begin):
    most = most_threads(1)
    assert Consumption(begin(STARTS, most - 1).pid, 1).excess(0) == ''
    words = Consumption(begin(STARTS, most).pid, 1).excess(0)
    assert words == f'had {most + 1} threads, of which {most} are allowed'


def test_what_it_writes_is_counted():
    scratch = Scratch(most_bytes=1 << 20)
    try:
        folder = pathlib.Path(scratch.folder)
        (folder / 'cache').mkdir()
        (folder / 'cache' / 'file').write_bytes(b'x' * (1 << 20))
        assert scratch.excess() == ''
        (folder / 'more').write_bytes(b'x' * (1 << 20))
        assert scratch.excess() == 'wrote 2 MiB of files'
        (folder / 'more').unlink()
        for number in range(MOST_FILES - 2):
            (folder / 'cache' / str(number)).touch()
        assert scratch.excess() == ''
        (folder / 'one more').mkdir()
        assert scratch.excess() == f'wrote more than {MOST_FILES} files'
    finally:
        scratch.remove()


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path_factory.mktemp('plain'), onnx_model('stateless'), text, 'policy.onnx')


GREEDY = """#!{python}
import sys, threading, time
sys.argv = [sys.argv[1]]
def compute():
    while True:
        pass
source = open(sys.argv[0] + '/__main__.py').read().replace('    _main()', '    pass')
space = {{'__name__': '__main__', '__file__': sys.argv[0] + '/__main__.py'}}
exec(compile(source, space['__file__'], 'exec'), space)
adopt = space['_adopt_package']
def adopt_and_spoil():
    adopt()
    from fournex_runtime.worker import child
    report = child._report
    def report_and_compute(*given):
        report(*given)
        threading.Thread(target=compute, daemon=True).start()
    child._report = report_and_compute
space['_adopt_package'] = adopt_and_spoil
space['_main']()
"""


def test_a_worker_that_computes_while_nobody_asks_is_killed_and_followed(
    plain, tmp_path, monkeypatch
):
    monkeypatch.setattr(consumption, 'CPU_S', 0.3)
    greedy = tmp_path / 'python'
    greedy.write_text(GREEDY.format(python=sys.executable))
    greedy.chmod(0o755)
    workers = SuccessiveWorkers(plain, Inference(python=greedy))
    try:
        end = time.monotonic() + 30
        while not workers.deaths and time.monotonic() < end:
            time.sleep(0.05)
        words = r'its worker \(process \d+\) computed for more than 0\.3 s without an answer'
        assert re.search(words + ' and was killed', workers.problem)
    finally:
        workers.close()


# --- the kernel's limit --------------------------------------------------------------------------

LIMITED = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from fournex_runtime.worker import thread_limit
thread_limit.BESIDE = 32
try:
    print(thread_limit.limit_threads())
except OSError as problem:
    print(problem)
else:
    end, started = threading.Event(), 0
    try:
        for _ in range(200):
            threading.Thread(target=end.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    print(started)
"""


def limited(checkout, **user):
    pythons = (sys.executable, '/usr/bin/python3')
    for python in pythons:
        try:
            done = subprocess.run(
                [python, '-I', '-c', LIMITED, checkout],
                capture_output=True,
                text=True,
                timeout=60,
                **user,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return done.stdout.splitlines()
    pytest.skip(f'{user} may run none of {", ".join(pythons)}')


def test_a_user_may_have_so_many_more_threads(checkout):
    other = {'user': NOBODY, 'extra_groups': []} if os.geteuid() == 0 else {}
    words, started = limited(checkout, **other)
    found = re.fullmatch(r'(\d+) of its user, who has (\d+) now \(RLIMIT_NPROC\)', words)
    assert found, words
    assert int(found[1]) == int(found[2]) + 32
    assert 16 <= int(started) <= 32  # others of the user may have started or ended some


@pytest.mark.skipif(os.geteuid() != 0, reason='runs as no root')
def test_where_the_kernel_lets_root_have_any_number_that_is_said(checkout):
    assert limited(checkout) == ['the kernel lets root have any number (RLIMIT_NPROC)']
