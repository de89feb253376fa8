"""Flows from one image to another: probability paths, flow matching, ODE solvers.

A velocity is a function `velocity(t, x, params)`; time runs from 0 (hazy) to 1 (clear). Nothing
here knows of networks or haze: `x` may be any pytree of arrays.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
