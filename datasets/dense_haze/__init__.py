"""TFDS builder of Dense-Haze."""
