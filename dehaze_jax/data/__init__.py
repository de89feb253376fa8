"""Prepared datasets, folders of pairs, and batches for training.

Everything here is NumPy: a loader worker that imports this package does not start JAX.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
