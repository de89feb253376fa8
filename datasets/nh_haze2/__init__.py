"""TFDS builder of NH-HAZE2."""
