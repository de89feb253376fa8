"""TFDS builder of RESIDE SOTS outdoor."""
