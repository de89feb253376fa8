"""TFDS builder of Haze4K."""
