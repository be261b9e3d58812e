"""The values of expressions against numpy, shapes that do not fit, and the reward source in runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete
from rl_rewards.loop import build
from rl_rewards.loop.sources import WRITTEN, restore_from_run
from rl_rewards.rewards.written.text import terms_of, text_of
from rl_rewards.rewards.written.values import entry_names
from rl_rewards.rewards.written.written import LARGEST_REWARD, WrittenReward
from tests.finished import finished_run, resumed_run, untrained
from tests.probes import experience_of, make_rollout, make_spec
from tests.rewards.written.test_grammar import TEXTS
from tests.runs import composed, digest_of, rows, unexplained

NAMES = ("x (m)", "velocity a step", "twin", "twin")
SPEC = make_spec(obs=4, action=2, obs_names=NAMES, info={"speed": (), "force": (2, 3), "success": ()})


def source(terms, spec=SPEC) -> WrittenReward:
    expression, terms = (terms, {}) if isinstance(terms, str) else (None, terms)
    return WrittenReward(spec=spec, expression=expression, terms=terms, file=None)


def rollout_of(spec=SPEC, **changes):
    rng = np.random.default_rng(1)
    info = {"speed": rng.normal(size=(3, 2)), "force": rng.normal(size=(3, 2, 2, 3)), "success": np.eye(3)[:, :2] > 0}
    info = {name: np.asarray(value, np.float32) for name, value in info.items() if name in spec.info}
    return make_rollout(spec, 3, 2, **({"info": info} | changes))


ROLLOUT = rollout_of()
S, N, A = (np.asarray(one, np.float64) for one in (ROLLOUT.obs, ROLLOUT.next_obs, ROLLOUT.action))
SPEED, FORCE = (np.asarray(ROLLOUT.info[name], np.float64) for name in ("speed", "force"))
VALUES = {
    "-norm(next_obs)": -np.linalg.norm(N, axis=-1),
    "norm(next_obs[0:2] - obs[0:2])": np.linalg.norm((N - S)[..., :2], axis=-1),
    "2 * obs[0] - action[1] / 4 + 1": 2 * S[..., 0] - A[..., 1] / 4 + 1,
    "next_obs[x] - obs[x]": N[..., 0] - S[..., 0],
    "obs[velocity_a_step] ** 3": S[..., 1] ** 3,
    "abs(obs[0]) ** 0.5 + sqrt(abs(obs[1]))": abs(S[..., 0]) ** 0.5 + np.sqrt(abs(S[..., 1])),
    "exp(obs[0]) + log(abs(obs[1])) + tanh(obs[2]) + cos(obs[0]) * sin(obs[0])": np.exp(S[..., 0])
    + np.log(abs(S[..., 1])) + np.tanh(S[..., 2]) + np.cos(S[..., 0]) * np.sin(S[..., 0]),
    "sum(info.force) + mean(info.force) + info.force[1, 2]": FORCE.sum((-1, -2)) + FORCE.mean((-1, -2))
    + FORCE[..., 1, 2],
    "max(info.force[0]) - min(info.force[:, 1])": FORCE[..., 0, :].max(-1) - FORCE[..., 1].min(-1),
    "max(obs[0], obs[1], 0.1) + min(obs[2], 0)": np.max([S[..., 0], S[..., 1], 0 * SPEED + 0.1], 0)
    + np.minimum(S[..., 2], 0),
    "sum(min(obs, 0))": np.minimum(S, 0).sum(-1),
    "norm(obs[0], 3, action[1]) + sum(obs[0], 1) + mean(1, obs[1])": np.sqrt(S[..., 0] ** 2 + 9 + A[..., 1] ** 2)
    + S[..., 0] + 1 + (1 + S[..., 1]) / 2,
    "clip(5 * info.speed, -1, 0.5)": np.clip(5 * SPEED, -1, 0.5),
    "where(-0.5 < obs[0] <= 0.5 and not obs[1] > 0, 2, info.speed)": np.where(
        (S[..., 0] > -0.5) & (S[..., 0] <= 0.5) & ~(S[..., 1] > 0), 2, SPEED
    ),
    "(obs[0] > 0 or obs[1] > 0) + (obs[0] == obs[0]) * 10": ((S[..., 0] > 0) | (S[..., 1] > 0)) + 10.0,
    "3": 0 * SPEED + 3,
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_values_are_those_of_numpy(text):
    one = source(text)
    found = one.reward(one.init(jax.random.key(0)), ROLLOUT)
    np.testing.assert_allclose(found, VALUES[text], rtol=2e-5, atol=1e-5)
    single = jax.tree.map(lambda x: x[1, 0], ROLLOUT)
    np.testing.assert_allclose(one.reward(jnp.int32(0), single), VALUES[text][1, 0], rtol=2e-5, atol=1e-5)


def test_actions_are_clipped_and_discrete_ones_are_one_hot():
    box = make_spec(action=Box(shape=(2,), low=(-1.0, 0.0), high=(1.0, 4.0)))
    steps = make_rollout(box, 1, 1, action=np.array([[[-7.0, 3.0]]], np.float32))
    assert float(source("sum(action)", box).reward(jnp.int32(0), steps)[0, 0]) == 2.0
    discrete = make_spec(action=Discrete(3))
    steps = make_rollout(discrete, 1, 3, action=np.array([[2, 0, 2]], np.int32))
    np.testing.assert_array_equal(source("action[2]", discrete).reward(jnp.int32(0), steps), [[1, 0, 1]])


def test_entries_have_the_environments_names_unless_two_share_one():
    assert entry_names(SPEC) == {"x": 0, "velocity_a_step": 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 + norm(info.height)", "'info.height' at character 10 does not exist in test, which has info.speed, info.f"),
        ("obs[4]", "'obs[4]' at character 1 is out of range; the array has the shape [4]"),
        ("sum(obs[1:9])", "'obs[1:9]' at character 5 is out of range"),
        ("info.speed[0]", "'info.speed[0]' at character 1 has too many indices; the array has the shape []"),
        ("1 + obs[twin]", "'obs[twin]' at character 5 names an entry that test does not have; its observations have x"),
        ("action[x]", "'action[x]' at character 1 names an entry that test does not have"),
        ("obs", "'obs' at character 1 has the shape [4], and a reward is one number; take an entry of it, or norm"),
        ("norm(obs - action)", "'obs - action' at character 6 combines arrays of the shapes [2] and [4]"),
        ("1 + sum(1, obs)", "'obs' at character 12 has the shape [4]; sum takes one array, or several single numbers"),
        ("where(obs, 1, 0)", "'where(obs, 1, 0)' at character 1 has the shape [4], and a reward is one number"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_compiles(text, told):
    with pytest.raises(ConfigError) as error:
        source(text)
    assert str(error.value).startswith("reward.expression: ") and told in str(error.value)


@given(TEXTS)
def test_generated_texts_have_a_value_or_are_refused(text):
    """Whatever is accepted has one finite number for every step."""
    try:
        one = source(text)
    except ConfigError:
        return
    found = np.asarray(one.reward(jnp.int32(0), ROLLOUT))
    assert found.shape == (3, 2) and np.all(np.isfinite(found))


def test_what_is_not_finite_is_bounded_and_counted():
    """NaN counts as 0, and infinite terms are clipped, so that log(0) is not better than log of a little."""
    obs = np.array([[[-4.0, 0, 0, 0], [0.0, 0, 0, 0], [4.0, 0, 0, 0]]], np.float32)
    steps = make_rollout(SPEC, 1, 3, obs=obs, info={name: np.zeros((1, 3, *s)) for name, s in SPEC.info.items()})
    one = source({"root": "sqrt(obs[0])", "log": "log(obs[0] * (obs[0] >= 0))", "one": "1"})
    paid = np.asarray(one.reward(jnp.int32(0), steps))
    np.testing.assert_allclose(paid, [[1 - LARGEST_REWARD, 1 - LARGEST_REWARD, 3 + np.log(4)]], rtol=1e-6)
    _, metrics = one.update(jnp.int32(0), {}, experience_of(steps), jnp.int32(0), jax.random.key(0))
    assert float(metrics["reward/out_of_range"]) == pytest.approx(2 / 3)
    assert float(metrics["reward/term_root"]) == pytest.approx(2 / 3)


def test_a_file_is_one_expression_or_named_lines():
    text = "# Near, and calm.\nnear = -norm(next_obs)\n\ncalm = where(obs[0] == 1,\n  -1,  # not a comment here\n 0)\n"
    assert terms_of(text.replace("  # not a comment here", ""), "f") == {
        "near": "-norm(next_obs)",
        "calm": "where(obs[0] == 1, -1, 0)",
    }
    assert terms_of("-norm(obs)\n + 1\n", "f") == {"expression": "-norm(obs) + 1"}
    assert terms_of("obs[0] == 1", "f") == {"expression": "obs[0] == 1"}
    terms = {"a": "1", "b": "obs[0] <= 1"}
    assert terms_of(text_of(terms), "f") == terms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f is empty"),
        ("# nothing\n", "f is empty"),
        ("a = 1\na = 2\n", "f has two terms named a"),
        ("1\na = 2\n", "f: its first lines have no name"),
        ("1" * 50_000, "f has 50,000 characters"),
    ],
)
def test_files_that_are_no_rewards_are_refused(text, told):
    with pytest.raises(ConfigError) as error:
        terms_of(text, "f")
    assert told in str(error.value)


def test_exactly_one_source_of_terms():
    for changes in ({"expression": None}, {"terms": {"a": "1"}}, {"file": "reward.txt"}):
        with pytest.raises(ConfigError, match=r"needs exactly one of reward\.expression, reward\.terms and reward\.f"):
            WrittenReward(**({"spec": SPEC, "expression": "1", "terms": {}, "file": None} | changes))
    with pytest.raises(ConfigError, match=r"reward\.terms, term b: 'obs' at character 1 has the shape \[4\]"):
        source({"a": "1", "b": "obs"})
    with pytest.raises(ConfigError, match=r"reward\.terms: 'a b' is not a name of a term"):
        source({"a b": "1"})
    with pytest.raises(ConfigError, match=r"reward\.terms has 33 terms"):
        source({f"t{i}": "1" for i in range(33)})
    with pytest.raises(ConfigError, match=r"reward\.file=nowhere\.txt does not exist"):
        WrittenReward(spec=SPEC, expression=None, terms={}, file="nowhere.txt")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return two files of rewards: near is good on point, and far is bad."""
    folder = tmp_path_factory.mktemp("files")
    for name, text in {
        "near": "near = -norm(next_obs)\n",
        "far": "far = norm(next_obs)\ncalm = -0.1 * norm(action)\n",
    }.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_every_seed_has_its_own_reward_in_one_program(tmp_path, files):
    """Also when the run is resumed, and its reward loaded or frozen, after the files are gone."""
    paths = [tmp_path / f"{name}.txt" for name in ("near", "far", "near")]
    for path in paths:
        path.write_text((files / path.name).read_text(encoding="utf-8"), encoding="utf-8")
    listed = f"reward.file=[{','.join(map(str, paths))}]"
    many = ("env=point", "reward=written", "num_seeds=3", listed, "checkpoint.every=1")
    whole = finished_run(tmp_path / "whole", *many, "total_env_steps=960")
    part = finished_run(tmp_path / "part", *many, "total_env_steps=320")
    for path in paths:
        path.unlink(missing_ok=True)
    resumed_run(part, 960)
    assert digest_of(part) == digest_of(whole)
    first, last = rows(whole)[0], rows(whole)[-1]
    assert not unexplained(whole)
    assert first["reward/term_near"][1] is None and first["reward/term_near"][0] < 0
    assert first["reward/term_far"][0] is None and first["reward/term_far"][1] > 0
    assert last["eval/learned_return"][0] < 0 < last["eval/learned_return"][1]
    assert sorted(path.name for path in (whole / WRITTEN).iterdir()) == ["0000.txt", "0001.txt", "0002.txt"]
    steps = make_rollout(restore_from_run(whole, 0).spec, 2, 2)
    frozen = untrained(tmp_path / "frozen", "reward=frozen", f"reward.run={whole}", "reward.seed=1")
    each = untrained(tmp_path / "each", "reward=frozen", f"reward.run={whole}", "reward.seed=each", "num_seeds=2")
    far = np.linalg.norm(steps.next_obs, axis=-1) - 0.1 * np.linalg.norm(steps.action, axis=-1)
    for folder, seed in ((whole, 1), (frozen, None), (each, 1)):
        restored = restore_from_run(folder, seed)
        np.testing.assert_allclose(restored.source.reward(restored.state, steps), far, rtol=1e-5)


def test_a_list_needs_a_file_for_every_seed(files):
    listed = f"reward.file=[{files / 'near.txt'},{files / 'far.txt'}]"
    with pytest.raises(ConfigError, match=r"reward\.file lists 2 files, and num_seeds=1; name one file, or a list"):
        build.build(composed("debug=smoke", "env=point", "reward=written", listed))
