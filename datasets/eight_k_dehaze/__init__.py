"""TFDS builder of 8KDehaze."""
