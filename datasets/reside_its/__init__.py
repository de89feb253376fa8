"""TFDS builder of RESIDE ITS."""
