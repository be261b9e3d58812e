"""Plants faults, one after another, in a copy of the code, and reports which of them the tests catch.

``python -m scripts.inject_faults`` plants all of ``scripts/faults.py``; words choose those with one of them in the name
or the file.
The tests that a fault names must pass without it first, so that a failure is due to the fault. A fault whose text is no
longer in its file exactly once is an error: the code has changed, and the list must follow.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.faults import FAULTS, Fault

ROOT = Path(__file__).parents[1]
COPIED = ("rl_rewards", "configs", "scripts", "tests", "pyproject.toml", "README.md", "Makefile")
PASSED, FAILED, ERROR = 0, 1, 2
"""Exit codes of pytest; all but the first two mean that the tests could not be run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the chosen faults; return how many of them were not caught."""
    parser = argparse.ArgumentParser(prog="python -m scripts.inject_faults", description="Plant faults in a copy.")
    parser.add_argument("words", nargs="*", help="part of a fault's name or file; none: all faults")
    words = parser.parse_args(arguments).words
    chosen = [fault for fault in FAULTS if not words or any(word in f"{fault.name} {fault.file}" for word in words)]
    stale = [fault for fault in chosen if _source(ROOT, fault).read_text(encoding="utf-8").count(fault.right) != 1]
    for fault in stale:
        print(f"ERROR   {fault.name}: its text must stand exactly once in rl_rewards/{fault.file}.")
    if stale:
        return len(stale)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        sound: dict[str, bool] = {}  # tests -> whether they pass without any fault
        missed = sum(not _is_caught(copy, fault, sound) for fault in chosen)
    print(f"{len(chosen) - missed} of {len(chosen)} faults were caught.")
    return missed


def _is_caught(copy: Path, fault: Fault, sound: dict[str, bool]) -> bool:
    """Return True if the fault's tests fail with it and pass without it; ``sound`` remembers the latter."""
    started = time.monotonic()
    path = _source(copy, fault)
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace(fault.right, fault.wrong), encoding="utf-8")
    try:
        code, first = _tests(copy, fault)
    finally:
        path.write_text(before, encoding="utf-8")
    if fault.tests not in sound:
        sound[fault.tests] = _tests(copy, fault)[0] == PASSED
    if code == FAILED and not sound[fault.tests]:
        code, first = ERROR, "the tests fail without the fault, too"
    result = {PASSED: "MISSED", FAILED: "caught"}.get(code, "ERROR ")
    print(f"{result}  {fault.name} ({time.monotonic() - started:.0f} s) {first}", flush=True)
    return result == "caught"


def _tests(copy: Path, fault: Fault) -> tuple[int, str]:
    """Run the fault's tests; return their exit code and the first that failed."""
    tests = [f"tests/{name}" for name in fault.tests.split()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    done = subprocess.run([*command, "-m", "not long"], cwd=copy, capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, failed[0][:120] if failed else ""


def _source(root: Path, fault: Fault) -> Path:
    return root / "rl_rewards" / fault.file


if __name__ == "__main__":
    sys.exit(main())
