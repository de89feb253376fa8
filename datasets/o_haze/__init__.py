"""TFDS builder of O-HAZE."""
