"""TFDS builder of NH-HAZE."""
