"""TFDS builder of RESIDE URHI."""
