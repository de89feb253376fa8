"""3D colour look-up tables. `table[r, g, b]` is the output colour, float, nodes at 0, ..., 1."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
