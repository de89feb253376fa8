"""Two cycles and their losses.

Hazy pictures are restored and made hazy again with the density and depth that were found; clear
ones get haze of a density drawn at random and are restored. No picture has a partner.
"""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Key, Params, Plane, Tree
from dehaze_jax.haze.scattering import invert
from dehaze_jax.methods.nedr.config import NedrConfig
from dehaze_jax.methods.nedr.networks import Networks, Scene, find_airlight

Loss: TypeAlias = Float[Array, ""]
Parts: TypeAlias = dict[str, Loss]

GENERATORS = ("scene", "haze")
CRITICS = ("clear_critic", "hazy_critic")
DEPTH = ("depth",)


class Made(NamedTuple):
    """Pictures that a step makes.

    Attributes:
        clear: of hazy ones.
        hazy: of clear ones.
    """

    clear: Image
    hazy: Image


class Cycles(NamedTuple):
    """Both cycles of a batch.

    Attributes:
        made: what the critics judge.
        depth: of the hazy pictures, by their transmission and density.
        statistics: collections beside the parameters after the cycles.
        parts: losses and what else is worth a line.
    """

    made: Made
    depth: Plane
    statistics: Tree
    parts: Parts


def restore_scene(hazy: Image, scene: Scene, airlight: Float[Array, "*batch 3"]) -> Image:
    """Clear pictures of what a hazy one shows, clipped to [0, 1]."""
    return jnp.clip(invert(hazy, scene.transmission, airlight), 0, 1)


def find_depth(scene: Scene) -> Plane:
    """Depth by transmission and density: -ln T / beta."""
    return -jnp.log(scene.transmission) / scene.density[..., None, None]


def run_cycles(
    config: NedrConfig, variables: Params, hazy: Image, clear: Image, key: Key
) -> tuple[Loss, Cycles]:
    """Runs both cycles in training.

    Args:
        config: of the method.
        variables: all collections.
        hazy: some pictures.
        clear: as many others.
        key: of the densities.

    Returns:
        The losses that no critic has a part in, by their weights; what came of the cycles.
    """
    density_key, enhance_key = jax.random.split(key)
    low, high = config.density
    drawn = jax.random.uniform(density_key, clear.shape[:1], clear.dtype, low, high)

    def both(networks: Networks) -> tuple[Any, ...]:
        scene = networks.find_scene(hazy, train=True)
        made_clear = restore_scene(hazy, scene, find_airlight(config, hazy))
        depth = networks.find_depth(made_clear, train=True)
        hazy_again = networks.add_haze(made_clear, depth, scene.density, train=True)

        clear_depth = networks.find_depth(clear, train=True)
        made_hazy = networks.add_haze(clear, clear_depth, drawn, train=True)
        made_scene = networks.find_scene(made_hazy, train=True)
        clear_again = restore_scene(made_hazy, made_scene, find_airlight(config, made_hazy))
        return Made(made_clear, made_hazy), scene, made_scene, hazy_again, clear_again

    (made, scene, made_scene, hazy_again, clear_again), statistics = Networks(config).apply(
        variables,
        method=both,
        mutable=_statistics(variables),
        rngs={"enhance": enhance_key},
    )
    cycle_hazy = jnp.mean(jnp.abs(hazy - hazy_again))
    cycle_clear = jnp.mean(jnp.abs(clear - clear_again))
    density = jnp.mean((made_scene.density - drawn) ** 2)
    excess = jnp.mean(scene.excess) + jnp.mean(made_scene.excess)
    weights = config.objective
    loss = (
        weights.cycle_weight * (cycle_hazy + cycle_clear)
        + weights.density_weight * density
        + weights.range_weight * excess
    )
    parts = {
        "cycle_hazy": cycle_hazy,
        "cycle_clear": cycle_clear,
        "density": density,
        "excess": excess,
        "transmission": jnp.mean(scene.transmission),
    }
    return loss, Cycles(made, find_depth(scene), statistics, parts)


def judge_both(
    config: NedrConfig, variables: Params, hazy: Image, clear: Image, made: Made
) -> tuple[Loss, tuple[Tree, Parts]]:
    """What the critics learn from: real pictures are 1, made ones 0, least squares.

    Returns:
        The loss; the collections after it, and its parts.

    Reference: Mao et al., Least squares generative adversarial networks (ICCV 2017).
    """

    def judge(networks: Networks) -> tuple[Array, ...]:
        return (
            networks.clear_critic(clear, train=True),
            networks.clear_critic(made.clear, train=True),
            networks.hazy_critic(hazy, train=True),
            networks.hazy_critic(made.hazy, train=True),
        )

    (real_clear, made_clear, real_hazy, made_hazy), statistics = _apply_critics(
        config, variables, judge
    )
    clear_loss = (jnp.mean((real_clear - 1) ** 2) + jnp.mean(made_clear**2)) / 2
    hazy_loss = (jnp.mean((real_hazy - 1) ** 2) + jnp.mean(made_hazy**2)) / 2
    parts = {"critic_clear": clear_loss, "critic_hazy": hazy_loss}
    return clear_loss + hazy_loss, (statistics, parts)


def convince(config: NedrConfig, variables: Params, made: Made) -> tuple[Loss, Tree]:
    """How far made pictures are from passing as real, by the weight of the adversaries.

    Returns:
        The loss; the collections after it.
    """

    def judge(networks: Networks) -> tuple[Array, ...]:
        return (
            networks.clear_critic(made.clear, train=True),
            networks.hazy_critic(made.hazy, train=True),
        )

    (clear, hazy), statistics = _apply_critics(config, variables, judge)
    loss = (jnp.mean((clear - 1) ** 2) + jnp.mean((hazy - 1) ** 2)) / 2
    return config.objective.adversarial_weight * loss, statistics


def match_depth(
    config: NedrConfig, variables: Params, clear: Image, depth: Plane
) -> tuple[Loss, Tree]:
    """What the depth network learns from: the depth that the hazy picture had.

    Returns:
        The loss; the collections after it.
    """
    found, statistics = Networks(config).apply(
        variables,
        clear,
        train=True,
        method="find_depth",
        mutable=_statistics(variables),
    )
    return jnp.mean(jnp.abs(found - depth)), statistics


def _apply_critics(config, variables, judge):
    return Networks(config).apply(variables, method=judge, mutable=_statistics(variables))


def _statistics(variables: Params) -> list[str]:
    """Collections that the networks keep beside what is trained."""
    return [name for name in variables if name not in ("params", "grids")]
