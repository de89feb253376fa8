"""Single-image dehazing up to 4K in JAX.

Sub-packages are loaded on first use, so that a data-loader worker that only reads images never
starts JAX. The public names of a package are those in its `__init__.pyi`.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
