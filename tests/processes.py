"""New processes that run ``python -m rl_rewards.run``, forked from one that has imported the libraries already.

Importing them costs more processor time than most commands under test. The forked process has not started JAX, so that
a fork behaves like a new interpreter, with its own JAX, signals, environment and exit code. Tests that need a new
interpreter (for the imported libraries, or the decoding of arguments) start one.
"""

import atexit
import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from multiprocessing.reduction import DupFd
from typing import Any

import jax

from tests.unevaluated import evaluations

PRELOADED = (
    "rl_rewards.loop.build",
    "rl_rewards.loop.experiment",
    "rl_rewards.reporting.page",
    "rl_rewards.reporting.video",
    "rl_rewards.studies.base",
    "rl_rewards.algorithms.ppo",
    "rl_rewards.rewards.classifier.adversarial",
    "rl_rewards.envs.pencil_case.env",
    "rl_rewards.envs.point",
    "imageio.v2",
    "jinja2",
    "matplotlib.pyplot",
    "orbax.checkpoint",
    "scipy.stats",
)

OWN_IN_TESTS = ("jax_disable_most_optimizations",)
"""Settings of JAX that a test can have for itself; see conftest."""


class Command:
    """A process that runs ``python -m rl_rewards.run ARGUMENTS``, with the methods of subprocess.Popen that tests use.

    Args:
        arguments: of the command line.
        output: the file descriptor for its standard output; None to discard it.
        errors: the file descriptor for its standard error; None to discard it.
        evaluated: False to leave out the evaluations of its run; see :mod:`tests.unevaluated`.
    """

    def __init__(
        self, *arguments: str, output: int | None = None, errors: int | None = None, evaluated: bool = True
    ) -> None:
        forkserver = multiprocessing.get_context("forkserver")
        forkserver.set_forkserver_preload(list(PRELOADED))
        with open(os.devnull, "wb") as nowhere:
            sent = [_Sent(nowhere.fileno() if number is None else number) for number in (output, errors)]
            self._process = forkserver.Process(
                target=_run, args=(arguments, dict(os.environ), os.getcwd(), *sent, evaluated), daemon=True
            )
            self._process.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)

    def wait(self, timeout: float = 300.0) -> int:
        """Return the exit code.

        Raises:
            subprocess.TimeoutExpired: if the process has not ended after ``timeout`` seconds; it is killed.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise subprocess.TimeoutExpired("rl_rewards.run", timeout)
        return self._process.exitcode


def take_environment(environment: dict[str, str]) -> None:
    """Set the variables of another process here, also those that JAX has read already, when it was imported.

    The process that is forked has the variables of the test that needed it first. Without this, a test that changes how
    programs are compiled would decide about all later tests' commands.
    """
    os.environ.update(environment)
    for name in OWN_IN_TESTS:
        jax.config.update(name, environment.get(name.upper(), "False") == "True")


class _Sent:
    """A file descriptor, which becomes the new process's descriptor of the same file when it is pickled."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (DupFd(self.number),)


def _received(duplicate: Any) -> int:
    return duplicate.detach()


def _run(
    arguments: tuple[str, ...], environment: dict[str, str], folder: str, output: int, errors: int, evaluated: bool
) -> None:
    """Do everything that ``python -m rl_rewards.run`` does in its own process, from start to exit."""
    from jax._src import xla_bridge

    assert not xla_bridge.backends_are_initialized(), "a process that has started JAX must not be forked"
    take_environment(environment)
    os.chdir(folder)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", line_buffering=True)
    sys.argv = ["run", *arguments]
    try:
        with evaluations(evaluated):
            runpy.run_module("rl_rewards.run", run_name="__main__", alter_sys=True)
    except Exception:
        sys.excepthook(*sys.exc_info())
        sys.exit(1)
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
