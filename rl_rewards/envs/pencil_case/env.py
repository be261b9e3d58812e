"""``pencil_case``: push the pencil case behind the notebook, seen by one camera; physics in MuJoCo or MJX."""

from dataclasses import dataclass

from rl_rewards.envs.base import Environment
from rl_rewards.envs.pencil_case.batch import PencilCaseBatch
from rl_rewards.envs.pencil_case.table import PencilCaseTable


@dataclass(frozen=True, kw_only=True)
class PencilCase(PencilCaseTable):
    """The table with a choice of physics engines; keys: configs/env/pencil_case.yaml."""

    def make(self, num_envs: int, seed: int) -> PencilCaseBatch:
        return PencilCaseBatch(self, num_envs, seed)

    def in_engine(self) -> Environment:
        """Return the table in the physics engine that ``engine`` names; this class is the C engine's."""
        if self.engine == "c":
            return self
        from rl_rewards.envs.pencil_case.mjx import PencilCaseMjx

        return PencilCaseMjx(self)
