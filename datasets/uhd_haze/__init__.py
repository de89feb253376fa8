"""TFDS builder of UHD-Haze."""
