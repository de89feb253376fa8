"""TFDS builder of RS-Haze."""
