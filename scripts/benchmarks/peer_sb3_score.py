"""Stable-Baselines3's PPO with rl-zoo's settings until it is good enough: ``peer_sb3_score.py TASK SCORE EVERY SEED``.

Every EVERY env steps, and at the end, twenty episodes of the policy's mode are played; the process ends as soon as
their mean return is at least SCORE, and reports its env steps and CPU seconds, those of starting Python included.
``reached`` is false where it ended below the score. The twenty are stepped together, the fastest way that SB3 has.

Runs in the peers' own virtual environment, unmodified, with one PyTorch thread, with which it is fastest here. The
settings are those of rl-baselines3-zoo's hyperparams/ppo.yml.
"""

import os
import sys
import time
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import gymnasium
import numpy as np
from stable_baselines3 import PPO  # type: ignore[import-not-found]
from stable_baselines3.common.callbacks import BaseCallback  # type: ignore[import-not-found]
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize  # type: ignore[import-not-found]
from worker import tell  # type: ignore[import-not-found]  # this folder's: the repository is not importable here

EPISODES = 20


class Task:
    """A task of the zoo: environments, total env steps, and the settings of PPO where they are not SB3's own."""

    def __init__(self, env_id: str, num_envs: int, env_steps: int, normalize: bool = False, **settings: Any) -> None:
        self.env_id, self.num_envs, self.env_steps, self.normalize = env_id, num_envs, env_steps, normalize
        self.settings = settings

    def envs(self, count: int):
        """Return ``count`` environments that are stepped together."""
        env = DummyVecEnv([lambda: gymnasium.make(self.env_id)] * count)
        return VecNormalize(env) if self.normalize else env


def falling(first: float):
    """Return the schedule that the zoo calls lin_FIRST."""
    return lambda left: left * first


TASKS = {
    "cartpole": Task(
        "CartPole-v1", 8, 100_000, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20,
        learning_rate=falling(1e-3), clip_range=falling(0.2),
    ),
    "pendulum": Task(
        "Pendulum-v1", 4, 100_000, n_steps=1024, gae_lambda=0.95, gamma=0.9, n_epochs=10, learning_rate=1e-3,
        clip_range=0.2, use_sde=True, sde_sample_freq=4,
    ),
    "acrobot": Task("Acrobot-v1", 16, 1_000_000, True, n_steps=256, gae_lambda=0.94, gamma=0.99, n_epochs=4),
    "mountain_car": Task("MountainCar-v0", 16, 1_000_000, True, n_steps=16, gae_lambda=0.98, gamma=0.99, n_epochs=4),
    "lunar_lander": Task(
        "LunarLander-v3", 16, 1_000_000, n_steps=1024, batch_size=64, gae_lambda=0.98, gamma=0.999, n_epochs=4,
        ent_coef=0.01,
    ),
}  # fmt: skip


class UntilScore(BaseCallback):
    """Evaluates between a rollout's update and the next rollout, and ends the process at the score."""

    def __init__(self, task: Task, score: float, every: int, seed: int) -> None:
        super().__init__()
        self.task, self.score, self.every = task, score, every
        self.env = task.envs(EPISODES)
        self.env.seed(10_000 + seed)
        self.cpu = self.wall = 0.0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps > 0 and self.num_timesteps % self.every == 0:
            self._evaluate()

    def _on_training_end(self) -> None:
        self._tell(self._evaluate(), reached=False)

    def _evaluate(self) -> float:
        wall, cpu = time.perf_counter(), time.process_time()
        found = self._mean_return()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        if found >= self.score:
            self._tell(found, reached=True)
        return found

    def _mean_return(self) -> float:
        if isinstance(self.env, VecNormalize):
            self.env.training = self.env.norm_reward = False
            self.env.obs_rms = self.training_env.obs_rms
        obs, returns, running = self.env.reset(), np.zeros(EPISODES), np.ones(EPISODES, bool)
        while running.any():
            action, _ = self.model.predict(obs, deterministic=True)
            obs, reward, done, _ = self.env.step(action)
            returns += reward * running
            running &= ~done
        return float(returns.mean())

    def _tell(self, found: float, reached: bool) -> None:
        spent = {"cpu": time.process_time(), "evaluation_cpu": self.cpu, "evaluation_wall": self.wall}
        tell({"env_steps": self.num_timesteps, "score": found, "reached": reached, **spent})
        os._exit(0)


def main() -> None:
    """Train one seed until it is good enough."""
    task, seed = TASKS[sys.argv[1]], int(sys.argv[4])
    model = PPO("MlpPolicy", task.envs(task.num_envs), device="cpu", seed=seed, **task.settings)
    model.learn(task.env_steps, UntilScore(task, float(sys.argv[2]), int(sys.argv[3]), seed))


if __name__ == "__main__":
    main()
