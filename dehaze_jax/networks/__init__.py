"""Layers and backbones that know nothing of haze or solvers.

A *backbone* is a flax module constructed as `Backbone(features=k, width=w)` and called as
`backbone(x, embedding)`: it maps `[b, h, w, c]` and a time embedding `[b, e]` to `[b, h, w, k]`.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
