"""A trained model as a function from picture to picture, of any size.

Everything is built from a method's `summarise` (the whole picture, a small result) and `render`
(full rows): the whole picture at once, strips of rows one after the other, rows shared between
devices. All give the same picture.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
