"""TFDS builder of a folder of hazy and clear pictures."""
