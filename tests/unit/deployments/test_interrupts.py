import os
import signal
from collections.abc import Iterator

import pytest

from deployments import cli
from deployments.command_line.exit_codes import Interrupted
from deployments.command_line.interrupts import handle_signals

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """Reset the signal handlers to their defaults.

    Tests that run in the background may inherit ignored signals.
    """
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_raises_interrupted_with_the_exit_code(number: int, code: int) -> None:
    with handle_signals(), pytest.raises(Interrupted) as raised:
        send(number)
    assert raised.value.code == code


def test_a_deferred_signal_is_raised_once() -> None:
    finished: list[str] = []
    with handle_signals() as signals:
        signals.defer_during(lambda: (send(), finished.append("request")))
        assert finished == ["request"]
        with pytest.raises(Interrupted):
            signals.raise_deferred()
        signals.raise_deferred()


def test_a_deferred_signal_is_raised_if_the_section_fails() -> None:
    def send_and_fail() -> None:
        send()
        raise OSError

    with handle_signals() as signals, pytest.raises(Interrupted):
        signals.defer_during(send_and_fail)


def test_ctrl_c_before_signals_are_handled_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(cli, "_warn_of_misspelled_settings", lambda: send(signal.SIGINT))
    assert cli.main(["worker"]) == 130
    assert capsys.readouterr().err == ""


def test_a_signal_that_the_parent_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with handle_signals():
        send(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_previous_handlers_are_restored() -> None:
    with handle_signals():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
