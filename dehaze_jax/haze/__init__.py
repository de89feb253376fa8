"""Physics of haze: scattering model, density, airlight, dark-channel prior, scenes with depth."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
