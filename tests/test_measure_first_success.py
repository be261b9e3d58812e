"""The time to the first success is measured by the command that the README prints first."""

import shlex
import sys

import pytest

from scripts.measure_first_success import first_command, measure
from tests.readmes import ROOT


def test_it_follows_the_readme():
    assert first_command((ROOT / "README.md").read_text(encoding="utf-8")) == 'make run ARGS="experiment=quickstart"'
    with pytest.raises(ValueError, match="prints no command"):
        first_command("## Start\nNothing.\n")


@pytest.mark.parametrize(
    ("printed", "succeeds"), [("Success reached 1.00 at 5 env steps", True), ("Success 0.10", False)]
)
def test_the_time_ends_with_success(tmp_path, monkeypatch, printed, succeeds):
    program = f"print('adversarial_classifier on point with ppo_point, seed 0'); print({printed!r})"
    readme = f"## Start\n```bash\n{sys.executable} -c {shlex.quote(program)}   # a comment\n```\n"
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "README.md").write_text(readme)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: None)  # instead of git
    if not succeeds:
        with pytest.raises(RuntimeError, match="did not end in success"):
            measure("anything", clone)
        return
    found = measure("anything", clone)
    assert 0.0 <= found["install"] <= found["all"] and found["compile and learn"] >= 0.0
