"""Size of the published U-Net; its values are compared with PyTorch's twin.

See `tests/methods/test_bilateral_released.py`.
"""

import math

import jax
import jax.numpy as jnp

from dehaze_jax.networks.published_unet import PublishedUNet


def test_parameters():
    def double_conv(inputs, middle, outputs):
        kernels = 9 * (inputs * middle + middle * outputs)
        return kernels + 3 * (middle + outputs)  # a bias and two of the norm for each channel

    shapes = jax.eval_shape(
        lambda key: PublishedUNet(3).init(key, jnp.zeros((1, 16, 16, 3)), train=False),
        jax.random.key(0),
    )
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))
    down = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    up = [(1024, 256), (512, 128), (256, 64), (128, 64)]
    expected = sum(double_conv(inputs, outputs, outputs) for inputs, outputs in down)
    expected += sum(double_conv(inputs, inputs // 2, outputs) for inputs, outputs in up)
    assert count == expected + 9 * 64 * 3 + 3 == 17_269_059
