"""Environments that break their own declaration: one sentence with environment, step and key, before any learning."""

import dataclasses
import json
import re

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from omegaconf import OmegaConf

from rl_rewards.core.errors import ConfigError, EnvironmentFault, TrainingFailed
from rl_rewards.core.types import Box, box_bounds
from rl_rewards.envs.adapters.gymnasium import Gymnasium
from rl_rewards.loop import build, compatibility
from rl_rewards.loop.episodes import first_episodes
from rl_rewards.loop.rounds import check_saving
from rl_rewards.models.policy import ActionScale
from tests.envs.adapters import odd
from tests.probes import config, make, make_rollout, make_spec
from tests.runs import composed, run_here

FOUR = spaces.Discrete(4)
ONE_TO_FOUR = spaces.Discrete(4, start=1)
SMALL = spaces.Box(-1, 1, (3,), np.int8)
DOUBLE = spaces.Box(-np.inf, np.inf, (3,), np.float64)


def make_env(name: str, **changes) -> Gymnasium:
    values = OmegaConf.to_container(config("env", "gymnasium"))
    del values["_target_"]
    return Gymnasium(**values | {"id": f"tests.envs.adapters.odd:{name}", "max_episode_steps": 20} | changes)


def returning(space=odd.REAL, **how) -> Gymnasium:
    """Return an environment whose steps return ``how`` from the third step on."""
    changes = {name: how.pop(name) for name in ("success", "info", "ends_early") if name in how}
    return make_env("Returns", kwargs={"space": space, **how}, **changes)


def play(env: Gymnasium, steps: int = 5) -> list:
    """Return the steps of two copies, which are reset when they ask for it."""
    batch, action = env.make(2, seed=0), env.spec.action
    batch.reset(np.ones(2, bool))
    outs = []
    for _ in range(steps):
        outs.append(batch.step(np.zeros((2, *getattr(action, "shape", ())), np.float32)))
        if outs[-1].needs_reset.any():
            batch.reset(outs[-1].needs_reset)
    return outs


def refusal(env: Gymnasium) -> str:
    """Return the message for an environment that breaks its own declaration."""
    with pytest.raises(EnvironmentFault) as caught:
        play(env)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("space", "observation", "sentence"),
    [
        (odd.REAL, np.zeros(1, np.float32), r"of the shape \[1\], where \[3\] is declared"),
        (odd.REAL, np.float32(0.0), r"of the shape \[\], where \[3\] is declared"),
        (odd.REAL, [[1.0], [2.0, 3.0]], r"that is not an array of numbers but \[\[1.0\], "),
        (odd.REAL, {"a": 1.0}, "that is not an array of numbers but {'a': 1.0}"),
        (odd.REAL, None, "that is not an array of numbers but None"),
        (odd.REAL, np.zeros(3, complex), "that is not an array of numbers"),
        (odd.REAL, np.array([0.0, np.nan, 0.0], np.float32), r"with nan in entry \[1\]; all must be finite"),
        (DOUBLE, np.array([0.0, 0.0, 1e300]), r"with 1e\+300 in entry \[2\]; all must be finite as float32"),
        (odd.BYTES, np.full(3, 0.9, np.float32), r"of float32 .* where whole numbers \(uint8\) are declared"),
        (odd.BYTES, np.array([0, -1, 7]), r"with -1 in entry \[1\], outside the declared 0 to 255"),
        (odd.BYTES, np.array([0, 1, 300]), r"with 300 in entry \[2\], outside the declared 0 to 255"),
        (SMALL, np.array([0, 5, 0], np.int8), r"with 5(\.0)? in entry \[1\], outside the declared -1 to 1"),
        (FOUR, -1, "with -1, outside the declared 0 to 3"),
        (FOUR, 2.9, r"of float64 \(2.9\), where whole numbers"),
        (ONE_TO_FOUR, 0, "with 0, outside the declared 1 to 4"),
    ],
)
def test_an_observation_is_held_against_its_space(space, observation, sentence):
    said = refusal(returning(space, observation=observation))
    assert said.startswith("tests.envs.adapters.odd:Returns (environment 0, step 3) returned an observation ")
    assert re.search(sentence, said), said


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"reward": None}, "the reward None, which must be one number"),
        ({"reward": float("nan")}, "the reward nan, which must be finite"),
        ({"reward": 1e300}, r"the reward 1e\+300, which must be finite as float32"),
        ({"reward": np.zeros(2)}, r"the reward array\(\[0., 0.\]\), which must be one number"),
        ({"terminated": "False"}, "terminated='False', which must be true or false"),
        ({"terminated": None}, "terminated=None"),
        ({"told": None}, "nothing as info, which must be a dict"),
        ({"told": {"is_success": float("nan")}}, r"info\['is_success'\]=nan; the value of env.success=is_success must"),
        ({"told": {"is_success": 0.1}}, r"info\['is_success'\]=0.1; the value of env.success=is_success "),
        ({"told": {"is_success": "False"}}, r"info\['is_success'\]='False'; the value of env.success=is_success "),
        ({"told": {"is_success": None}}, r"info\['is_success'\]=None; the value of env.success=is_success "),
        ({"told": {"is_success": np.zeros(2)}}, "gives no number 'is_success'"),
        ({"told": lambda _: {"x": "far"}, "info": ["x"], "since": 0}, r"info\['x'\] 'far', which must be one number"),
        ({"told": lambda t: {"x": [0, 1, np.inf][min(t, 2)]}, "info": ["x"], "since": 0}, r"info\['x'\]=inf, .*finite"),
    ],
)
def test_reward_ends_and_info_are_what_they_must_be(how, sentence):
    said = refusal(returning(**how))
    assert re.search(sentence, said), said


@pytest.mark.parametrize(
    ("space", "how"),
    [
        (odd.REAL, {"observation": [1.0, 2.0, 3.0]}),
        (odd.REAL, {"observation": np.ones(3)}),
        (odd.BYTES, {"observation": np.array([0, 7, 255])}),
        (ONE_TO_FOUR, {"observation": np.array([4])}),
        (odd.REAL, {"reward": np.array([1.0])}),
        (odd.REAL, {"reward": 1}),
        (odd.REAL, {"terminated": np.bool_(False), "told": {"is_success": np.int64(1)}}),
        (odd.REAL, {"told": {"is_success": np.array([1.0])}}),
    ],
)
def test_what_can_be_read_in_one_way_alone_is_accepted(space, how):
    last = play(returning(space, **how))[-1]
    assert last.env_reward.dtype == np.float32 and np.isfinite(last.next_obs).all()
    assert last.info["success"].dtype == bool
    if "reward" in how:
        assert last.env_reward.tolist() == [1.0, 1.0]
    if "told" in how:
        assert last.info["success"].all()


def test_real_observations_may_leave_their_bounds_and_that_is_told_once(capsys):
    outs = play(returning(observation=np.array([0.0, 12.0, 0.0], np.float32)))
    assert outs[-1].next_obs[0].tolist() == [0.0, 12.0, 0.0]
    said = capsys.readouterr().out
    assert said.count("with 12.0 in entry [1], outside the declared -10 to 10") == said.count("Warning") == 1


def test_whole_numbers_that_float32_rounds_are_told_once(capsys):
    stamps = spaces.Box(0, 2**62, (1,), np.int64)
    play(returning(stamps, observation=lambda t: np.array([1_700_000_000_000 + t])))
    assert capsys.readouterr().out.count("beyond 16,777,216 float32 rounds whole numbers") == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Raises", r"step 4\) raised RuntimeError: simulator diverged in .*odd\.py, line \d+ \(_simulate\)\.$"),
        ("RaisesAtReset", r"reset\) raised ConnectionError: robot gone in .*odd\.py, line \d+ \(reset\)\.$"),
        ("OldReset", r"reset\) returned a value of type ndarray from reset\(\), which must be \(observation, info\)"),
        ("OldStep", r"step 1\) returned 4 values from step\(\), which must be \(observation, reward, terminated, "),
    ],
)
def test_what_their_code_raises_and_the_old_interface_are_told_as_theirs(name, sentence):
    said = refusal(make_env(name, max_episode_steps=3 if name == "RaisesAtReset" else 20))
    assert said.startswith(f"tests.envs.adapters.odd:{name} (environment 0, ")
    assert re.search(sentence, said), said


# Success.


def test_success_is_found_by_itself_and_said():
    env = returning(told={"is_success": True})
    assert env.spec.has_success and env.requirements.notes == (
        "Success is read from info['is_success'], since env.success=auto; env.success=null turns this off.",
    )
    assert play(env)[-1].info["success"].all()
    none = returning(told={"is_success": True}, success=None)
    assert not none.spec.has_success and none.requirements.notes == () and play(none)[-1].info == {}
    unknown = returning(told={"success": 0.3}, since=0)
    assert not unknown.spec.has_success
    assert unknown.requirements.notes[0].startswith("info has 'success', but 0.3 is neither true nor false")
    assert make_env("Plain").requirements.notes == ()


def test_success_may_be_told_at_an_episodes_end_alone():
    env = returning(told=lambda t: {"is_success": True} if t == 5 else {}, terminated=lambda t: t == 5, since=0)
    assert not env.spec.has_success, "the key is searched for only in the first step"
    env = returning(
        told=lambda t: {"is_success": True} if t == 5 else {},
        terminated=lambda t: t == 5,
        since=0,
        success="is_success",
    )
    outs = play(env)
    assert [out.info["success"].tolist() for out in outs] == [[False, False]] * 4 + [[True, True]]


def test_a_key_that_no_step_has_is_refused_and_a_silent_limit_is_told(capsys):
    with pytest.raises(
        ConfigError, match=r"step 20\) gives no number 'is_sucess' .*env\.success asks for; it gives none"
    ):
        make_env("Plain", success="is_sucess").spec  # noqa: B018
    env = make_env("Returns", kwargs={"told": {}}, max_episode_steps=5)  # success is reported in the first two steps
    assert not any(out.info["success"].any() for out in play(env, 11))
    assert capsys.readouterr().out.count("gives no 'is_success' where the step limit cuts an episode") == 1
    ending = returning(told={}, terminated=lambda t: t == 4)
    assert "step 4) gives no number 'is_success' in a step's info, which env.success asks for" in refusal(ending)


# The declared length of episodes.


@pytest.mark.parametrize("cuts", [True, False])
def test_an_episode_that_ends_though_none_does_stops_the_run(cuts):
    env = make_env("EndsEarly", ends_early=False, kwargs={"cuts": cuts})
    assert re.search(r"step 5\) ended an episode before its limit of 20 steps, but env\.ends_early=false", refusal(env))
    for fine in ({"ends_early": True}, {"ends_early": False, "max_episode_steps": 5}):
        play(make_env("EndsEarly", kwargs={"cuts": cuts}, **fine), 7)


def test_an_environment_inside_jax_that_ends_early_is_found_by_an_evaluation():
    spec = make_spec(max_episode_steps=4)
    terminated = np.zeros((4, 3), bool)
    terminated[[3, 2], [0, 1]] = True  # one at the limit, one before it
    rollout = jax.device_get(make_rollout(spec, 4, 3, terminated=terminated))
    with pytest.raises(
        EnvironmentFault, match=r"environment 1, step 3\) ended .* limit of 4 steps, but env\.ends_early"
    ):
        first_episodes(spec, rollout)
    valid = first_episodes(dataclasses.replace(spec, ends_early=True), rollout).valid
    assert valid.sum(axis=0).tolist() == [4, 3, 4]


# States and random generators.


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_any_bit_generator_is_stored(kind):
    env = make_env("OtherGenerator", kwargs={"kind": kind})
    first, second, everywhere = env.make(2, 1), env.make(2, 2), np.ones(2, bool)
    first.reset(everywhere)
    second.load(first.save())
    resumed = second.reset(np.zeros(2, bool))
    np.testing.assert_array_equal(resumed, first.reset(everywhere))
    np.testing.assert_array_equal(second.reset(everywhere), first.reset(everywhere))


@pytest.mark.parametrize("env", [make_env("OtherGenerator", kwargs={"kind": "RandomState"}), make_env("NoGenerator")])
def test_what_cannot_be_stored_is_saved_without_it_and_said_beforehand(env, tmp_path):
    batch = env.make(2, 1)
    batch.reset(np.ones(2, bool))
    batch.load(batch.save())
    changes = [f"+env.kwargs.{key}={value}" for key, value in env.kwargs.items()]
    run = ("env=gymnasium", f"env.id={env.id}", "env.max_episode_steps=20", "reward=environment", *changes)
    parts = build.build(composed("debug=smoke", *run), tmp_path).parts
    assert "cannot save its state. A resumed run starts fresh episodes" in compatibility.warnings(parts)[0]
    check_saving(parts, 0)


def test_a_classic_environment_that_draws_from_elsewhere_is_not_called_restorable():
    assert make_env("Twisted").spec.restores
    assert not make_env("Entropic").spec.restores


def test_a_state_that_cannot_be_saved_is_refused_before_compiling(monkeypatch):
    parts = build.build(composed("debug=smoke", "env=gymnasium", "reward=environment")).parts
    monkeypatch.setattr(
        "rl_rewards.envs.adapters.gymnasium_batch.GymnasiumBatch.save", lambda self: json.dumps(object())
    )
    with pytest.raises(
        ConfigError, match=r"^Pendulum-v1 cannot be saved and loaded, as every checkpoint needs: .*Type"
    ):
        check_saving(parts, 0)


# Actions.


def test_a_bound_beyond_float32_is_none_and_a_locked_joint_has_a_scale():
    most = float(np.finfo(np.float32).max)
    for low, high in ((-most, most), (-1e300, 1e300), (-1e30, 1e30)):
        huge = make_spec(action=Box(shape=(2,), low=(low, -1.0), high=(high, 1.0)))
        np.testing.assert_array_equal(box_bounds(huge.action), np.float32([[-np.inf, -1.0], [np.inf, 1.0]]))
        scale = ActionScale(huge)
        np.testing.assert_array_equal(scale.to_env(jnp.array([0.5, 0.5])), [0.5, 0.5])
        with pytest.raises(ConfigError, match=r"needs real actions within bounds, .*\(a bound beyond 1\.8e\+19"):
            make("algorithm", "sac", huge, demos=None)
    locked = make_spec(action=Box(shape=(2,), low=(-3.0, 2.0), high=(1.0, 2.0)))
    scale = ActionScale(locked)
    np.testing.assert_array_equal(scale.to_env(jnp.array([1.0, 0.5])), [1.0, 2.5])
    np.testing.assert_array_equal(scale.from_env(jnp.array([1.0, 2.0])), [1.0, 0.0])


def test_the_numbers_of_a_choice_start_where_the_environments_do():
    env = make_env("StartsAtOne")
    batch = env.make(3, 0)
    batch.reset(np.ones(3, bool))
    batch.step(np.arange(3, dtype=np.int32))
    assert [one.unwrapped.last for one in batch._envs] == [1, 2, 3] and env.spec.action.n == 3


# Other kinds of observations.


def test_a_dict_is_refused_with_the_option_that_flattens_it_and_then_is_a_vector():
    with pytest.raises(ConfigError, match=r"observes a Dict, .*env\.flatten_observations=true flattens it"):
        make_env("Nested").spec  # noqa: B018
    env = make_env("Nested", flatten_observations=True)
    out = play(env)[0]
    assert env.spec.obs.shape == (3 + 3 + 2 + 1 + 4,)
    assert env.spec.obs.low == (-10.0,) * 3 + (0.0,) * 10 and env.spec.obs.high[8] == 9.0
    np.testing.assert_array_equal(out.next_obs[0, 3:], [0, 1, 0, 0, 1, 7, 0, 1, 1, 0])
    raw = env.make_one()
    np.testing.assert_array_equal(
        env.make(1, 0).reset(np.ones(1, bool))[0],
        gymnasium.wrappers.FlattenObservation(raw).reset(seed=int(np.random.SeedSequence(0).generate_state(1)[0]))[0],
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"button": 0}, r"an observation\['button'\] with 0, outside the declared 1 to 3"),
        ({"lamps": np.array([0, 2])}, r"an observation\['lamps'\] with 2 in entry \[1\], outside the declared 0 to 1"),
        ({"arm": np.zeros(2)}, r"an observation\['arm'\] of the shape \[2\], where \[3\] is declared"),
        ({"pair": (np.array([0.5]), np.zeros(2, int))}, r"\['pair'\]\[0\] of float64 .* where whole numbers"),
        (
            {"pair": (np.array([1]), np.array([0, 2]))},
            r"\['pair'\]\[1\] with 2 in entry \[1\], outside the declared 0 to 1",
        ),
        ({"pair": ()}, r"\['pair'\] \(\), where 2 parts are declared"),
        ({"arm": np.array([0.0, np.nan, 0.0])}, r"with nan in entry \[1\]; all must be finite"),
    ],
)
def test_every_part_of_a_dict_is_held_against_its_own_space(wrong, sentence):
    said = refusal(make_env("Nested", flatten_observations=True, kwargs=wrong))
    assert re.search(sentence, said), said


def test_a_gymnasium_class_as_target_is_told_where_it_belongs():
    with pytest.raises(
        ConfigError, match=r"env\._target_=tests\.envs\.adapters\.odd\.Plain is a single Gymnasium environment; .*"
    ) as caught:
        build.build_env(OmegaConf.create({"env": {"_target_": "tests.envs.adapters.odd.Plain", "unknown": 1}}))
    assert "env=gymnasium env.id=tests.envs.adapters.odd:Plain" in str(caught.value)
    assert make_env("Plain").spec.name == "Plain"


# In a run.


def test_a_run_says_what_failed_and_what_is_kept(tmp_path):
    run = (
        "env=gymnasium",
        "env.id=tests.envs.adapters.odd:FailsLate",
        "env.max_episode_steps=20",
        "reward=environment",
    )
    with pytest.raises(TrainingFailed) as caught:
        run_here(tmp_path, *run, "checkpoint.every=1", "evaluation.episodes=1")
    assert re.match(
        r"Training stopped in round \d: .*FailsLate \(environment \d, step \d+\) raised RuntimeError: diverged"
        r" in .*The last good checkpoint, after round \d, is kept\.$",
        str(caught.value),
    )
    failed = json.loads((tmp_path / "FAILED.json").read_text(encoding="utf-8"))
    assert failed["error"] == str(caught.value) and failed["traceback"].endswith("RuntimeError: diverged\n")
    assert failed["kind"] == "TrainingFailed"
