"""TFDS builder of RESIDE HSTS."""
