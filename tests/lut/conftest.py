import pytest


@pytest.fixture
def read(tmp_path):
    """Reads a text, or bytes, as a `.cube` file."""
    from dehaze_jax import lut  # not above: this file may be read before jaxtyping's import hook

    def read(content):
        path = tmp_path / "table.cube"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return lut.read_cube(path)

    return read
