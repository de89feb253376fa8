"""TFDS builder of rendered haze on photographs, landscapes or a folder of clear pictures."""
