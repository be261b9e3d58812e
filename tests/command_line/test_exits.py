"""A command's exit code and message after an unexpected error."""

import jax.numpy as jnp
import pytest

from rl_rewards.command_line.exits import FAILED, guarded


def test_what_does_not_fit_in_memory_is_one_sentence(capsys):
    def fail_on_the_device():
        jnp.zeros(2**44).block_until_ready()  # 64 TiB

    def fail_on_the_host():
        raise MemoryError("Unable to allocate 3.64 TiB for an array with shape (1000000000000,)")

    for job in (fail_on_the_device, fail_on_the_host):
        with pytest.raises(SystemExit) as left, guarded():
            job()
        said = capsys.readouterr().err
        assert left.value.code == FAILED
        assert said.startswith("Error: the run does not fit in memory (") and said.count("\n") == 1, said


def test_other_errors_of_the_program_itself_keep_their_traceback():
    with pytest.raises(RuntimeError, match="a fault of ours"), guarded():
        raise RuntimeError("a fault of ours")
