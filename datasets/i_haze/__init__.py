"""TFDS builder of I-HAZE."""
