"""Jobs that threads share out among them."""

import threading
import time

import pytest

from dislok.kernels.threads import share


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 40])
def test_every_job_is_done_once(threads, count):
    done = []
    share(lambda k, name: done.append((k, name)), [(k, "job") for k in range(count)], threads, done.clear)
    assert sorted(done) == [(k, "job") for k in range(count)]


def test_the_caller_takes_part():
    at_work = threading.Barrier(3, timeout=10)
    names = []

    def work():
        names.append(threading.current_thread())
        at_work.wait()

    share(work, [()] * 3, 3, at_work.abort)
    assert threading.current_thread() in names
    assert len(set(names)) == 3


@pytest.mark.parametrize("fails_in_caller", [True, False])
def test_an_error_ends_the_others_before_it_is_raised(fails_in_caller):
    caller, begun, given_up, ended = threading.current_thread(), [], threading.Event(), []

    def work(k):
        begun.append(k)
        both_run.wait()
        if (threading.current_thread() is caller) == fails_in_caller:
            raise ArithmeticError("no")
        assert given_up.wait(10)
        time.sleep(0.01)
        ended.append(k)

    both_run = threading.Barrier(2, timeout=10)
    with pytest.raises(ArithmeticError):
        share(work, [(k,) for k in range(2)], 2, given_up.set)
    assert given_up.is_set()
    assert sorted(begun) == [0, 1]
    assert len(ended) == 1


def test_no_job_begins_after_an_error():
    begun = []

    def work(k):
        begun.append(k)
        raise ArithmeticError(f"job {k}")

    with pytest.raises(ArithmeticError, match="job 0"):
        share(work, [(k,) for k in range(9)], 1, lambda: None)
    assert begun == [0]
