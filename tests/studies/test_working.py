"""A study shows how far it is while it computes: lines in a log, a bar on a terminal."""

import os
import pty
import subprocess
import sys
import time

from rl_rewards.studies.working import counted, still_at_work


def test_lines_say_how_long_it_has_taken_and_how_far_a_loop_is(capsys):
    with still_at_work("Computing", every_seconds=0.01):
        time.sleep(0.1)
        for _ in counted(range(2), "seed"):
            time.sleep(0.1)
    said = capsys.readouterr().out
    assert said.startswith("\nComputing ...\nComputing: 0:00 so far.\n")
    assert "Computing: 0:00 so far; seed 1 of 2.\n" in said
    assert "Computing: 0:00 so far; seed 2 of 2, 0:00 left.\n" in said


def test_nothing_but_its_beginning_is_said_about_short_work(capsys):
    with still_at_work("Computing"):
        pass
    assert list(counted(["a", "b"], "thing")) == ["a", "b"], "outside of shown work it only yields"
    assert capsys.readouterr().out == "\nComputing ...\n"


SHOWN = """
import time
from rl_rewards.studies.working import counted, still_at_work
with still_at_work("Computing"):
    for _ in counted(range(2), "seed"):
        time.sleep(0.6)
"""


def test_a_terminal_shows_a_bar():
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SHOWN], stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65_536):
                said += part
        except OSError:  # the terminal is closed
            pass
    os.close(ours)
    assert process.returncode == 0 and "\u2501" in said.decode() and b"seed 2 of 2, 0:0" in said
