"""Processes that tests fork have the settings of the test that needs them, not of the first that needed any."""

import os
from unittest.mock import patch

import jax

from tests.processes import OWN_IN_TESTS, take_environment


def test_a_forked_process_compiles_as_its_own_test_asks():
    (name,) = OWN_IN_TESTS
    before = jax.config.read(name)
    with patch.dict(os.environ):
        try:
            for wanted in (False, True, False):
                take_environment({name.upper(): str(wanted)})
                assert jax.config.read(name) is wanted and os.environ[name.upper()] == str(wanted)
        finally:
            jax.config.update(name, before)
