"""Haze on the fly: hazy pictures of a batch replaced by clear ones with haze of this step."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from dehaze_jax.arrays import Key
from dehaze_jax.haze.config import HazeConfig
from dehaze_jax.haze.synthesis import synthesise
from dehaze_jax.methods.protocol import Batch


def rehaze(config: HazeConfig, batch: Batch, key: Key) -> dict[str, Any]:
    """Renders haze onto the clear pictures of a batch.

    An example's haze depends on the key and on its place in the batch, not on the number of devices
    or processes.

    Args:
        config: what the haze is drawn from, and the share of the examples that get it.
        batch: `clear`; `hazy` too, unless the share is 1; `depth` `[b, h, w, 1]` where it is known.
        key: of the step.

    Returns:
        The batch with new `hazy` and `clear` (which nights change), with `rendered` `[b]`, whether
        they are new, and with the values of `HazeParameters` by their names, which hold where they
        are. `transmission` and `airlight` are there if they are known of all examples: where the
        share is 1 or `batch` brings them.
    """
    key_share, key_haze = jax.random.split(key)
    clear = batch["clear"]
    count = clear.shape[0]
    given = {name: value for name, value in batch.items() if name != "depth"}
    depth = batch["depth"][..., 0] if "depth" in batch else None
    sample = jax.vmap(functools.partial(synthesise, config=config))(
        jax.random.split(key_haze, count), clear, depth
    )
    made = {
        "hazy": sample.hazy,
        "clear": sample.clear,
        "transmission": sample.transmission[..., None],
        **sample.parameters._asdict(),
    }
    if config.share == 1:
        return {**given, **made, "rendered": jnp.ones(count, bool)}
    rendered = jax.random.bernoulli(key_share, config.share, (count,))
    for name in ("hazy", "clear", "transmission", "airlight"):
        new = made.pop(name)
        if name in given:
            here = rendered.reshape(count, *(1,) * (new.ndim - 1))
            given[name] = jnp.where(here, new, given[name])
    return {**given, **made, "rendered": rendered}
