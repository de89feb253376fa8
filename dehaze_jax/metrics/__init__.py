"""Full-reference scores, one value per image, and the named protocols they are reported under."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
