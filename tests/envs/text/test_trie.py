"""A trie recognises its sequences and nothing else, after pads in front."""

import jax
import numpy as np

from rl_rewards.envs.text.trie import Trie

SEQUENCES = [[2, 3], [2, 3, 4], [3], [4, 4, 4, 4]]
TRIE = Trie.of(SEQUENCES, 5)


def test_only_whole_sequences_match_after_pads():
    rows = {
        (0, 0, 2, 3): 0, (0, 2, 3, 4): 1, (0, 0, 0, 3): 2, (4, 4, 4, 4): 3,
        (0, 0, 0, 2): -1, (0, 4, 4, 4): -1, (2, 3, 4, 4): -1, (0, 0, 0, 0): -1, (2, 0, 3, 4): -1, (3, 0, 0, 0): -1,
    }  # fmt: skip
    found = jax.jit(lambda tokens: TRIE.match(tokens, 0))(np.array(list(rows), np.int32))
    assert found.tolist() == list(rows.values())


def test_only_prefixes_that_go_on_have_rows():
    assert TRIE.moves.shape == (6, 5), "the empty one, 2, 23, 4, 44 and 444"
    assert len(TRIE.found) == 6 + 3 + 1 and sorted(TRIE.found.tolist()) == [-1] * 6 + [0, 1, 2, 3]
