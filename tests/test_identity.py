"""What two processes call alike behaves alike, and only that."""

import functools
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from trivium import activations, losses, optimizers
from trivium.catalog import members
from trivium.identity import UnknownIdentityError, identity
from trivium.losses import multiclass

ELSEWHERE = """
from trivium import NeuralClassifier, optimizers
from trivium.candidates import plan
from trivium.catalog import members
from trivium.identity import identity
import numpy as np
print(identity((optimizers.muon(0.1).update, {"a": 1.5, "b": (None, True)}, np.arange(3))))
"""


def test_it_is_the_same_in_every_process():
    seeds = [dict(os.environ, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    ran = [subprocess.run([sys.executable, "-c", ELSEWHERE], env=env, capture_output=True, text=True) for env in seeds]
    assert ran[0].returncode == 0, ran[0].stderr
    assert ran[0].stdout == ran[1].stdout
    assert len(ran[0].stdout) > 100


@pytest.mark.parametrize("catalog", [activations, losses, optimizers])
def test_every_entry_of_a_catalog_has_its_own(catalog):
    functions = members(catalog).values()
    assert len({identity(function) for function in functions}) == len(functions) > 20


def test_different_choices_differ():
    a_loss = functools.partial(multiclass.cross_entropy, label_smoothing=0.1)
    choices = [
        1, 1.0, True, "1", b"1", None, (1,), [1], {"1": 1}, {1: "1"}, np.float32(1), np.ones(1), np.ones((1, 1)),
        np.ones(1, np.float32), np.dtype("float32"), jnp.float32, a_loss,
        functools.partial(a_loss, label_smoothing=0.2),
        optimizers.adam(0.1).update, optimizers.adam(0.2).update, optimizers.adam(0.1).init, optimizers.sgd(0.1).update,
    ]  # fmt: skip
    assert len({identity(choice) for choice in choices}) == len(choices)
    assert identity(optimizers.adam(0.1).update) == identity(optimizers.adam(0.1).update)


class Thing:
    def method(self):
        return self


def test_what_is_not_known_has_none():
    def theirs(x):
        return x

    for value in (theirs, lambda x: x, Thing, Thing(), Thing().method, object(), functools.partial(theirs), [theirs]):
        with pytest.raises(UnknownIdentityError):
            identity(value)
    with pytest.raises(UnknownIdentityError):  # it holds on to what is not known
        identity(optimizers.lookahead(optimizers.sgd(theirs)).update)


def test_a_function_that_took_the_name_of_another_has_none():
    impostor = functools.update_wrapper(lambda x: x, activations.tanh)
    del impostor.__wrapped__
    code = identity(impostor) if impostor.__module__ == activations.tanh.__module__ else ""
    assert code != identity(activations.tanh)
