"""TFDS builder of RTTS."""
