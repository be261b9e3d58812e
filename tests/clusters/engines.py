"""Small jobs, and stand-ins for engines, for the tests of clusters."""

import sys
import time
from pathlib import Path

from rl_rewards.clusters.jobs import Job

STEPS = 5
SCRIPT = """\
import fcntl, os, signal, sys, time
folder, seconds = sys.argv[1], float(sys.argv[2])
os.makedirs(folder, exist_ok=True)
if os.path.exists(folder + "/DONE"):
    sys.exit()
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
alone = open(folder + "/run.lock", "a")
fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
path = folder + "/steps.txt"
done = len(open(path).readlines()) if os.path.exists(path) else 0
for step in range(done, STEPS):
    time.sleep(seconds / STEPS)
    with open(path, "a") as steps:
        steps.write(f"{step}\\n")
    if stopped and step + 1 < STEPS:
        sys.exit(75)
open(folder + "/DONE", "a").write("done\\n")
""".replace("STEPS", str(STEPS))
"""A command of five steps: it saves each, ends with 75 when it is asked to stop, and goes on; two at once fail,
and after the end it does nothing."""


def jobs(folder: Path, count: int, seconds: float) -> list[Job]:
    """Return jobs of so many seconds, each with a folder."""
    return [
        Job(
            (sys.executable, "-I", "-S", "-c", SCRIPT, str(folder / str(i)), str(seconds)),
            folder / f"{i}.log",
            folder / str(i),
        )
        for i in range(count)
    ]


def trained(folder: Path, count: int) -> bool:
    """Return True if every job has made each of its steps once and ended once."""
    expected = [str(step) for step in range(STEPS)]
    return all(
        (folder / str(i) / "steps.txt").read_text(encoding="utf-8").split() == expected
        and (folder / str(i) / "DONE").read_text(encoding="utf-8") == "done\n"
        for i in range(count)
    )


def until(condition) -> None:
    """Wait until ``condition`` holds; fail if it does not within a minute."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")
