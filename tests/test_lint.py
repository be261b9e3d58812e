"""``python -m rl_rewards.lint``: what it prints, its exit codes, and a policy of a run that acts too."""

import json

import pytest

from rl_rewards.lint import main

FAULTY, MENDED = "fast = norm(action)\nthere = 0.2 * info.success\n", "near = -norm(next_obs)\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "reward.txt"
        path.write_text(text, encoding="utf-8")
        return ["env=point", "reward=written", f"reward.file={path}", "--copies", "1"]

    return write


def test_a_warning_is_printed_and_only_strict_fails(written, tmp_path, capsys):
    out = tmp_path / "lint.json"
    main([*written(FAULTY), "--out", str(out)])
    printed = capsys.readouterr().out
    assert "1 warning\n" in printed and "Warning (loop pays): A loop pays" in printed and "10 policies" in printed
    (told,) = json.loads(out.read_text())
    assert told["warnings"][0]["check"] == "loop pays" and set(told["deviations"]) == {"fast", "there"}
    with pytest.raises(SystemExit) as left:
        main([*written(FAULTY), "--strict"])
    assert left.value.code == 1
    main([*written(MENDED), "--strict"])
    assert "No warning\n" in capsys.readouterr().out


def test_the_policy_of_a_run_acts_too(kept_run, written, capsys):
    main([*written(MENDED), "--policy", str(kept_run)])
    assert "11 policies" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["env=grid", "reward=written", "reward.expression=1", "--copies", "1", "--policy", str(kept_run)])
    assert left.value.code == 2 and "name a run in the same environment" in capsys.readouterr().err


def test_walker_as_in_the_lecture(capsys):
    """The page says what this reward is warned of."""
    main(
        [
            "reward=walking_robot",
            "env=gymnasium",
            "env.id=Walker2d-v5",
            "env.info=[x_velocity]",
            "--copies",
            "1",
            "--steps",
            "200",
        ]
    )
    assert "The term forward varies 1" in capsys.readouterr().out


def test_a_reward_without_terms_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as left:
        main(["env=point", "reward=environment"])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "EnvironmentReward) has no named terms" in said and "Traceback" not in said
