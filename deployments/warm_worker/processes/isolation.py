"""Restore the state of a process after a run, so that changes do not leak into the next run.

This covers context variables, environment variables, the working directory, umask, signal handlers, logging,
warning filters, sys.path, the standard streams, the locale, the default socket timeout and the random number
generator. Module state, such as pandas options, is not restored. To isolate module state as well, use
`--jobs-per-process 1`.
"""

import contextvars
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
)
_STREAMS = ("stdin", "stdout", "stderr")


def run_isolated(function: Callable[[], T]) -> T:
    """Call the function, then restore the process state, even if the function raises an exception."""
    with ExitStack() as restored:
        for part in (_environment, _folder, _signals, _logging, _warnings, _interpreter, _defaults):
            restored.enter_context(part())
        return contextvars.copy_context().run(function)


def leftover_threads(within_seconds: float = 1.0) -> list[threading.Thread]:
    """Wait for the threads of a run to end, and return those that are still alive.

    Daemon threads are excluded, because clients, drivers and Prefect reuse them in the next run.
    """
    deadline = time.monotonic() + within_seconds
    threads = [thread for thread in threading.enumerate() if not _belongs_to_process(thread)]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in threads if thread.is_alive()]


def _belongs_to_process(thread: threading.Thread) -> bool:
    return thread is threading.main_thread() or thread.daemon


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        if dict(os.environ) != before:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def _folder() -> Iterator[None]:
    before = os.getcwd()
    umask = os.umask(0o022)
    os.umask(umask)
    try:
        yield
    finally:
        os.chdir(before)
        os.umask(umask)


@contextmanager
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    timer = signal.getitimer(signal.ITIMER_REAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _logging() -> Iterator[None]:
    """Restore the loggers that existed before the run.

    New loggers are kept, because they belong to modules that the run has imported.
    """
    settings = [
        (logger, vars(logger).copy(), list(logger.handlers), list(logger.filters)) for logger in _loggers()
    ]
    disabled, raises = logging.root.manager.disable, logging.raiseExceptions
    try:
        yield
    finally:
        for logger, attributes, handlers, filters in settings:
            if logger.level != attributes["level"]:
                logger.setLevel(attributes["level"])  # also clears the cache of enabled levels
            logger.disabled, logger.propagate = attributes["disabled"], attributes["propagate"]
            logger.handlers, logger.filters = handlers, filters
        if logging.root.manager.disable != disabled:
            logging.disable(disabled)
        logging.raiseExceptions = raises


def _loggers() -> list[logging.Logger]:
    loggers = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in loggers if isinstance(logger, logging.Logger))]


@contextmanager
def _warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        yield


@contextmanager
def _interpreter() -> Iterator[None]:
    path, arguments, hook = list(sys.path), list(sys.argv), sys.excepthook
    streams = {name: getattr(sys, name) for name in _STREAMS}
    try:
        yield
    finally:
        sys.path[:], sys.argv[:], sys.excepthook = path, arguments, hook
        for name, stream in streams.items():
            setattr(sys, name, stream)


@contextmanager
def _defaults() -> Iterator[None]:
    locales, timeout = locale.setlocale(locale.LC_ALL), socket.getdefaulttimeout()
    try:
        yield
    finally:
        if locale.setlocale(locale.LC_ALL) != locales:
            locale.setlocale(locale.LC_ALL, locales)
        socket.setdefaulttimeout(timeout)
        random.seed()
