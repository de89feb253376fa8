"""TFDS builder of RESIDE OTS."""
