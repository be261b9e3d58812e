"""``imitation``'s preference comparisons on SB3's PPO, unmodified, with the settings of its own tutorial, Pendulum-v1.

``peer_imitation_preferences.py STEPS`` is a worker: one training from nothing, 200 comparisons, STEPS env steps, is one
piece of work. With ``SEED`` behind them it trains that seed once, and tells its true return. Runs in that library's own
virtual environment. PyTorch gets one thread, with which it is fastest here.
"""

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import gymnasium
import numpy as np
from imitation.algorithms import preference_comparisons as pc  # type: ignore[import-not-found]
from imitation.data.wrappers import RolloutInfoWrapper  # type: ignore[import-not-found]
from imitation.policies.base import FeedForward32Policy, NormalizeFeaturesExtractor  # type: ignore[import-not-found]
from imitation.rewards.reward_nets import BasicRewardNet  # type: ignore[import-not-found]
from imitation.util.networks import RunningNorm  # type: ignore[import-not-found]
from stable_baselines3 import PPO  # type: ignore[import-not-found]
from stable_baselines3.common.evaluation import evaluate_policy  # type: ignore[import-not-found]
from stable_baselines3.common.vec_env import DummyVecEnv  # type: ignore[import-not-found]
from worker import serve, tell  # type: ignore[import-not-found]  # this folder's: the repository is not importable here

ENV_ID, NUM_ENVS, EPISODES = "Pendulum-v1", 8, 50
COMPARISONS, FRAGMENT, ITERATIONS = 200, 100, 5


def main() -> None:
    """Serve trainings, or run one to its end."""
    steps = int(sys.argv[1])
    if len(sys.argv) > 2:
        agent = trained(steps, int(sys.argv[2]))
        env = DummyVecEnv([lambda: gymnasium.make(ENV_ID)])
        returned, _ = evaluate_policy(agent, env, EPISODES, deterministic=True)
        tell({"env_steps": steps, "true_return": float(returned)})
        return
    started = time.process_time()
    trained(2048, 0)

    def piece() -> int:
        trained(steps, 0)
        return steps

    serve(piece, {"warm_up_cpu": time.process_time() - started})


def trained(steps: int, seed: int) -> PPO:
    """The policy after ``steps`` env steps."""
    rng = np.random.default_rng(seed)
    env = DummyVecEnv([lambda: RolloutInfoWrapper(gymnasium.make(ENV_ID))] * NUM_ENVS)
    env.seed(seed)
    reward = BasicRewardNet(env.observation_space, env.action_space, normalize_input_layer=RunningNorm)
    model = pc.PreferenceModel(reward)
    policy = PPO(
        FeedForward32Policy,
        env,
        policy_kwargs={
            "features_extractor_class": NormalizeFeaturesExtractor,
            "features_extractor_kwargs": {"normalize_class": RunningNorm},
        },
        n_steps=2048 // NUM_ENVS,
        batch_size=64,
        ent_coef=0.0,
        learning_rate=3e-4,
        n_epochs=10,
        gamma=0.99,
        device="cpu",
        seed=seed,
    )
    trainer = pc.PreferenceComparisons(
        pc.AgentTrainer(algorithm=policy, reward_fn=reward, venv=env, exploration_frac=0.05, rng=rng),
        reward,
        num_iterations=ITERATIONS,
        fragmenter=pc.RandomFragmenter(warning_threshold=0, rng=rng),
        preference_gatherer=pc.SyntheticGatherer(rng=rng),
        reward_trainer=pc.BasicRewardTrainer(
            preference_model=model, loss=pc.CrossEntropyRewardLoss(), epochs=3, rng=rng
        ),
        fragment_length=FRAGMENT,
        transition_oversampling=1,
        initial_comparison_frac=0.1,
        allow_variable_horizon=False,
        initial_epoch_multiplier=1,
    )
    trainer.train(total_timesteps=steps, total_comparisons=COMPARISONS)
    return policy


if __name__ == "__main__":
    main()
