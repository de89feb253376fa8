"""TFDS builder of RESIDE-6K."""
