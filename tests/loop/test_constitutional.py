"""The stages of Constitutional AI in the loop: a critic, revisions, fine-tuning on them, and two kinds of pairs."""

import json

import numpy as np
import pytest

from rl_rewards.command_line.texts import written_texts
from rl_rewards.core.errors import ConfigError
from rl_rewards.data.demonstrations.load import save_demonstrations
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from tests.finished import finished_run
from tests.probes import make
from tests.runs import rows, run_here, unexplained

ENV = "env=constitutional"
SMALL = "algorithm.model.layers=1"
STEPS = "total_env_steps=80"
PAIRS = ("reward=text_preferences", "reward.reward_model.model.layers=1")


@pytest.fixture(scope="module")
def critic(tmp_path_factory):
    """Return the folder of a model that has begun to learn all three tasks, with long prompts."""
    folder = tmp_path_factory.mktemp("critic")
    env = make("env", "constitutional", task="critique")
    save_demonstrations(folder / "texts.npz", env.spec, written_texts(env, "tutored", 200, 0, 0))
    data = f"data={folder / 'texts.npz'}"
    finished_run(
        folder / "run", ENV, "env.task=critique", "algorithm=lm", SMALL, "reward=environment", data, evaluated=False
    )
    return folder / "run"


def test_a_model_is_fine_tuned_on_its_own_revisions(critic, tmp_path):
    pretrain = f"pretrain.run={critic}"
    parts = ["algorithm=self_revision", SMALL, "reward=environment", pretrain, STEPS, "record_episodes=40"]
    finished_run(tmp_path / "revised", ENV, *parts, evaluated=False)
    assert 0.0 <= rows(tmp_path / "revised")[-1]["agent/revised"] <= 1.0 and unexplained(tmp_path / "revised") == set()
    with np.load(next((tmp_path / "revised").glob("episodes*.npz"))) as recorded:
        by, changed = recorded["info_revised_by"], recorded["info_original"] != recorded["action"]
    assert len(by) == 40 and set(by) <= {-1.0, 0.0, 1.0, 2.0} and not changed[by < 0].any()
    data = f"data=run:{tmp_path / 'revised'}"
    last = run_here(tmp_path / "sl", ENV, "algorithm=lm", SMALL, "reward=environment", data, pretrain, evaluated=False)
    assert np.isfinite(last["agent/loss"])


@pytest.mark.long
def test_our_own_model_judges_two_samples(critic, tmp_path):
    judge = ["algorithm=sampler", SMALL, *PAIRS, "labeler=own_judge", f"labeler.run={critic}", "labeler.equal=0"]
    last = run_here(tmp_path, ENV, *judge, f"pretrain.run={critic}", STEPS, evaluated=False)
    assert last["labeler/calls"] > 0 and last["labeler/tokens"] > 10 * last["labeler/calls"]
    names = raters(tmp_path)
    assert names <= {f"principle {name}" for name in ("harmless", "honest", "polite")} and len(names) > 1


def test_revisions_are_better_than_responses(critic, tmp_path):
    pairs = ["algorithm=self_revision", SMALL, "algorithm.writes=pairs", "algorithm.same_start=2", *PAIRS]
    pairs += ["labeler=own_judge", "labeler.pairs=revision", f"pretrain.run={critic}", STEPS]
    run_here(tmp_path, ENV, *pairs, evaluated=False)
    store = LabelStore(tmp_path / STORE_NAME)
    with store.database.reading() as connection:
        found = [json.loads(one["scores"]) for one in connection.execute("SELECT scores FROM answers") if one["scores"]]
    store.close()
    assert found and all(sorted(scores) == [0.0, 1.0] for scores in found)


def raters(folder):
    store = LabelStore(folder / STORE_NAME)
    with store.database.reading() as connection:
        found = {row["labeler"] for row in connection.execute("SELECT labeler FROM answers")}
    store.close()
    return found


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["labeler.pairs=revision"], r"this algorithm marks none; choose algorithm=self_revision"),
        (["labeler.run=RUN"], r"labeler\.run=.* learned on text, whose tokens are not those of constitutional"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_compiles(critic, tmp_path, overrides, message):
    if "RUN" in overrides[0]:
        text = ["env=text", "algorithm=sampler", SMALL, "reward=environment"]
        one_round = ["algorithm.num_envs=4", "total_env_steps=4"]
        finished_run(tmp_path / "other", *text, *one_round, evaluated=False)
        overrides = [f"labeler.run={tmp_path / 'other'}"]
    with pytest.raises(ConfigError, match=message):
        run_here(tmp_path / "run", ENV, "algorithm=sampler", SMALL, *PAIRS, "labeler=own_judge", *overrides,
                 f"pretrain.run={critic}", STEPS, evaluated=False)  # fmt: skip
