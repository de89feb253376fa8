"""TFDS builder of RESIDE SOTS indoor."""
