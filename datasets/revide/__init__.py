"""TFDS builder of REVIDE."""
