"""Writes the processor seconds of every test, to help make the tests faster: ``make test ARGS="--cpu-times=FILE"``.

Unlike the time on a clock, they do not depend on the machine's other work. Each line of FILE is ``seconds test``, and
includes the processes that the test started. Each worker of pytest-xdist writes its own file, FILE.gw0 and so on.
"""

import os
import resource
from multiprocessing import forkserver
from pathlib import Path

import pytest


def _seconds() -> float:
    """Return the processor time of this process, its ended children, and those forked for it (tests.processes)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in used)
    stat = Path(f"/proc/{forkserver._forkserver._forkserver_pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        seconds += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return seconds


class CpuTimes:
    def __init__(self, path: str) -> None:
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        self.file = open(path if worker is None else f"{path}.{worker}", "w", encoding="utf-8")  # noqa: SIM115
        self.file.write(f"{_seconds():.2f} start\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        before = _seconds()
        try:
            return (yield)
        finally:
            self.file.write(f"{_seconds() - before:.2f} {item.nodeid}\n")
            self.file.flush()
