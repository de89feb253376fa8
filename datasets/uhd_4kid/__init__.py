"""TFDS builder of 4KID."""
