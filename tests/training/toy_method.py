"""A method small enough to train in a test: one gain and one offset a channel, and its data.

`install` puts both in place of the real ones; run as a script it trains with the arguments of the
command line, the first of which says what happens.
"""

import hashlib
import signal
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dehaze_jax import data, methods
from dehaze_jax.errors import InputError
from dehaze_jax.methods.protocol import Method, TrainState


def build(config, optimiser, *, total_steps=1):
    tx = optax.adam(optax.cosine_decay_schedule(optimiser.learning_rate, total_steps))

    def init(key, batch):
        channels = batch["hazy"].shape[-1]
        gain = 1 + 0.1 * jax.random.normal(key, (channels,))
        return {"params": {"gain": gain, "offset": jnp.zeros((channels,))}}

    def start(variables):
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            variables=variables,
            ema=jax.tree.map(jnp.copy, variables),
            opt_state=tx.init(variables),
        )

    def apply(variables, hazy):
        params = variables["params"]
        shape = (1,) * (hazy.ndim - 1) + (-1,)
        return hazy * params["gain"].reshape(shape) + params["offset"].reshape(shape)

    def train_step(state, batch, key):
        def loss(variables):
            noisy = batch["hazy"] + 0.01 * jax.random.normal(key, batch["hazy"].shape)
            return jnp.mean(jnp.square(apply(variables, noisy) - batch["clear"]))

        value, gradients = jax.value_and_grad(loss)(state.variables)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, opt_state = tx.update(gradients, state.opt_state)
        variables = optax.apply_updates(state.variables, updates)
        ema = jax.tree.map(lambda a, v: 0.9 * a + 0.1 * v, state.ema, variables)
        state = state.replace(
            step=state.step + 1, variables=variables, ema=ema, opt_state=opt_state
        )
        return state, {"loss": value, "gain": jnp.mean(variables["params"]["gain"])}

    return Method(
        name="toy",
        init=init,
        start=start,
        train_step=train_step,
        summarise=lambda variables, hazy, options: {},
        render=lambda variables, context, rows, where: jnp.clip(apply(variables, rows), 0, 1),
    )


def batches(config, *, seed, start_step=0, process_index=0, process_count=1, depth=False):
    step = start_step
    local = config.batch_size // process_count
    while True:
        rng = np.random.default_rng([seed, step])
        size = (config.batch_size, config.crop_size, config.crop_size, 3)
        clear = rng.random(size, np.float32)
        hazy = 0.5 * clear + np.float32(0.4)
        part = slice(process_index * local, (process_index + 1) * local)
        yield {"hazy": hazy[part], "clear": clear[part], "bad": np.zeros(local, np.int32)}
        step += 1


def open_prepared(path, split):
    rng = np.random.default_rng(7)
    examples = []
    for index in range(5):
        clear = rng.integers(0, 256, (12, 10, 3), np.uint8)
        hazy = (clear // 2 + 100).astype(np.uint8)
        examples.append(types.SimpleNamespace(id=f"e{index}", hazy=hazy, clear=clear))
    return examples


def fingerprint(config):
    return hashlib.sha256(repr((config.train, config.batch_size)).encode()).hexdigest()


def training_size(config):
    return 100


def batch_names(config, *, seed, step):
    return [f"toy {step}-{place}" for place in range(config.batch_size)]


PARTS = (
    (methods, "build", build),
    (data, "train_batches", batches),
    (data, "open_prepared", open_prepared),
    (data, "fingerprint", fingerprint),
    (data, "training_size", training_size),
    (data, "batch_names", batch_names),
)


def install():
    for module, name, value in PARTS:
        setattr(module, name, value)


if __name__ == "__main__":
    from dehaze_jax.cli.main import main

    how, *arguments = sys.argv[1:]
    if how != "real":
        install()
    kind, _, at = how.partition(":")
    if how == "no-data":

        def gone(config):
            raise InputError("/data", "is gone")

        data.fingerprint = gone
    elif how == "other-data":
        data.fingerprint = lambda config: "other"
    elif how not in ("plain", "real"):
        # The signal comes while batch `at` is being read.
        def interrupted(config, *, start_step, **rest):
            for number, batch in enumerate(batches(config, start_step=start_step, **rest)):
                if start_step + number == int(at):
                    signal.raise_signal(getattr(signal, kind))
                yield batch

        data.train_batches = interrupted
    sys.exit(main(arguments))
