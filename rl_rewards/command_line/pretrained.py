"""Takes the sizes of a language model from the file of pretrained weights that a run begins with (``pretrain=FILE``).

They are written into the run's configuration, so that a resumed run has them without the file.
"""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.compile_cache import prepare_jax
from rl_rewards.core.checks import require

MODELS = ("algorithm.model", "reward.reward_model.model")
"""The models that a run has for texts; that of the reward only if it begins with the policy."""


def take_sizes(cfg: DictConfig, overrides: Sequence[str], run_dir: Path) -> None:
    """Set the sizes of the models of ``cfg`` to those of its pretrained weights, if it begins with a file of them.

    Args:
        overrides: of the command line; they must not name a size, because the file decides it.
        run_dir: the folder of the run, for messages.

    Raises:
        ConfigError: when the file is missing, cannot be read or has another architecture, or an override names a size.
    """
    run = OmegaConf.select(cfg, "pretrain.run")
    if run is None:
        return
    prepare_jax()  # which the next two import
    from rl_rewards.models.transformer.model import TransformerModel
    from rl_rewards.models.transformer.pretrained import is_pretrained, pretrained_sizes

    if not is_pretrained(run):
        return
    started = (run_dir / "config.yaml").is_file()
    told = f"; the run in {run_dir} does not need it, continue it with resume={run_dir}." if started else "."
    require(Path(run).exists(), f"pretrain={run} does not exist{told}")
    sizes = pretrained_sizes(run)
    begins = OmegaConf.select(cfg, "reward.reward_model.begins_with") == "policy"
    for place in MODELS if begins else MODELS[:1]:
        for override in overrides:
            key = override.partition("=")[0].lstrip("+")
            named = key.removeprefix(f"{place}.")
            require(named not in sizes, f"{override} has no effect: pretrain={run} decides {key}; leave it out.")
        model = OmegaConf.select(cfg, place)
        kind = f"{TransformerModel.__module__}.{TransformerModel.__qualname__}"
        if model is not None and model.get("_target_") == kind:
            for name, value in sizes.items():
                OmegaConf.update(cfg, f"{place}.{name}", value)
