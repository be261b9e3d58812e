"""``imitation``'s GAIL or AIRL on SB3's PPO, unmodified, with the settings of its own quick start.

``peer_imitation.py KIND ENV_ID DEMOS ROUNDS`` is a worker: ROUNDS rounds (rollout, discriminator's steps, PPO's update)
are one piece of work. With ``SEED`` behind them it trains that seed for ROUNDS rounds, once, and tells its true return.
Runs in that library's own virtual environment. PyTorch gets one thread, with which it is fastest here.
"""

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import gymnasium
import numpy as np
from imitation.algorithms.adversarial.airl import AIRL  # type: ignore[import-not-found]
from imitation.algorithms.adversarial.gail import GAIL  # type: ignore[import-not-found]
from imitation.data.types import Transitions  # type: ignore[import-not-found]
from imitation.data.wrappers import RolloutInfoWrapper  # type: ignore[import-not-found]
from imitation.rewards.reward_nets import (  # type: ignore[import-not-found]
    BasicRewardNet,
    BasicShapedRewardNet,
)
from imitation.util.networks import RunningNorm  # type: ignore[import-not-found]
from stable_baselines3 import PPO  # type: ignore[import-not-found]
from stable_baselines3.common.evaluation import evaluate_policy  # type: ignore[import-not-found]
from stable_baselines3.common.vec_env import DummyVecEnv  # type: ignore[import-not-found]
from worker import serve, tell  # type: ignore[import-not-found]  # this folder's: the repository is not importable here

NUM_ENVS, ROLLOUT_LENGTH, EPISODES = 8, 2048, 50
KINDS = {"gail": (GAIL, BasicRewardNet, 8), "airl": (AIRL, BasicShapedRewardNet, 16)}
"""Trainer, reward network, and updates of the discriminator per round."""


def main() -> None:
    """Make one, and serve it or train it to its end."""
    kind, env_id, demos, rounds = sys.argv[1:5]
    steps = int(rounds) * NUM_ENVS * ROLLOUT_LENGTH
    started = time.process_time()
    if len(sys.argv) > 5:
        trainer = _trainer(kind, env_id, demos, int(sys.argv[5]))
        trainer.train(steps)
        env = DummyVecEnv([lambda: gymnasium.make(env_id)])
        returned, _ = evaluate_policy(trainer.gen_algo, env, EPISODES, deterministic=True)
        tell({"env_steps": steps, "cpu": time.process_time() - started, "true_return": float(returned)})
        return
    trainer = _trainer(kind, env_id, demos, 0)

    def piece() -> int:
        trainer.train(steps)
        return steps

    piece()
    serve(piece, {"warm_up_cpu": time.process_time() - started})


def _trainer(kind: str, env_id: str, demos: str, seed: int):
    env = DummyVecEnv([lambda: RolloutInfoWrapper(gymnasium.make(env_id))] * NUM_ENVS)
    env.seed(seed)
    policy = PPO(
        "MlpPolicy",
        env,
        n_steps=ROLLOUT_LENGTH,
        batch_size=64,
        n_epochs=5,
        learning_rate=4e-4,
        gamma=0.95,
        ent_coef=0.0,
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}},
        device="cpu",
        seed=seed,
    )
    algorithm, network, updates = KINDS[kind]
    with np.load(demos) as file:
        n = len(file["obs"])
        demonstrations = Transitions(
            file["obs"], file["action"], np.array([{}] * n), file["next_obs"], file["terminated"]
        )
    return algorithm(
        demonstrations=demonstrations,
        demo_batch_size=1024,
        gen_replay_buffer_capacity=512,
        n_disc_updates_per_round=updates,
        venv=env,
        gen_algo=policy,
        reward_net=network(env.observation_space, env.action_space, normalize_input_layer=RunningNorm),
        allow_variable_horizon=True,
    )


if __name__ == "__main__":
    main()
