"""TFDS builder of your hazy and clear pictures without partners."""
