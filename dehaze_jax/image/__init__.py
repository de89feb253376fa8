"""Pictures: reading and writing, colour, box and guided filters, the bilateral grid.

Files and ranges are NumPy and never start JAX; colour and filters are JAX.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
