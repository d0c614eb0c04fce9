import os
import signal
from collections.abc import Iterator

import pytest

from deployments.command_line.exit_codes import Interrupted
from deployments.command_line.interrupts import caught


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """A test run in the background would ignore them."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_becomes_an_exception_with_the_exit_code(number: int, code: int) -> None:
    with caught(), pytest.raises(Interrupted) as raised:
        send(number)
    assert raised.value.code == code


def test_a_held_signal_waits_until_it_is_let_through() -> None:
    done: list[str] = []
    with caught() as signals:
        signals.hold(lambda: (send(), done.append("whole")))
        assert done == ["whole"]
        with pytest.raises(Interrupted):
            signals.let_through()
        signals.let_through()


def test_a_held_signal_comes_out_when_what_held_it_fails() -> None:
    def fails() -> None:
        send()
        raise OSError

    with caught() as signals, pytest.raises(Interrupted):
        signals.hold(fails)


def test_what_the_caller_has_it_ignore_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with caught():
        send(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_handlers_before_are_put_back() -> None:
    with caught():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
