"""Smooth random functions of the plane, in NumPy."""

import dataclasses

import numpy as np

_SIZE = 256
_TEXELS = 10.0  # per wavelength


@dataclasses.dataclass(frozen=True)
class Noise:
    """Band-limited noise of mean 0 and variance 1, from a periodic table.

    Attributes:
        coefficients: bilinear coefficients of every table cell, `[size * size, 4]`.
    """

    coefficients: np.ndarray

    @classmethod
    def create(cls, rng: np.random.Generator) -> "Noise":
        """Noise whose wavelengths lie within an octave of each other."""
        frequency = np.fft.fftfreq(_SIZE)
        radius = np.hypot(*np.meshgrid(frequency, frequency)) * _TEXELS
        band = np.exp(-((np.log2(np.maximum(radius, 1e-9)) / 0.6) ** 2))
        table = np.fft.ifft2(np.fft.fft2(rng.standard_normal((_SIZE, _SIZE))) * band).real
        table /= table.std()
        right, below = np.roll(table, -1, 1), np.roll(table, -1, 0)
        both = np.roll(right, -1, 0)
        cells = [table, right - table, below - table, table - right - below + both]
        return cls(np.stack(cells, -1).reshape(-1, 4).astype(np.float32))

    def __call__(self, x: np.ndarray, z: np.ndarray, wavelength: float, salt: int) -> np.ndarray:
        """Noise of a wavelength at points; another `salt` gives other noise."""
        scale, angle = _TEXELS / wavelength, 2.4 * salt
        cos, sin = np.float32(scale * np.cos(angle)), np.float32(scale * np.sin(angle))
        column = x * cos - z * sin + np.float32(37.3 * salt % _SIZE)
        row = x * sin + z * cos + np.float32(71.9 * salt % _SIZE)
        column_cell, row_cell = np.floor(column), np.floor(row)
        column -= column_cell
        row -= row_cell
        mask = _SIZE - 1
        cell = (row_cell.astype(np.int32) & mask) * _SIZE + (column_cell.astype(np.int32) & mask)
        at, by_column, by_row, by_both = np.moveaxis(self.coefficients[cell], -1, 0)
        return at + by_column * column + (by_row + by_both * column) * row

    def fractal(
        self, x: np.ndarray, z: np.ndarray, wavelength: float, octaves: int, salt: int
    ) -> np.ndarray:
        """Octaves of falling wavelength and amplitude, of about unit variance."""
        total = self(x, z, wavelength, salt)
        for octave in range(1, octaves):
            total += 0.5**octave * self(x, z, wavelength / 2.1**octave, salt + octave)
        return total * np.float32(0.87)

    def ridged(
        self, x: np.ndarray, z: np.ndarray, wavelength: float, octaves: int, salt: int
    ) -> np.ndarray:
        """Sharp crests, within 0 and 1 for the most part."""
        total, weight = np.zeros((), np.float32), np.ones((), np.float32)
        for octave in range(octaves):
            crest = 1 - 0.6 * np.abs(self(x, z, wavelength / 2.1**octave, salt + octave))
            crest = np.maximum(crest, 0)
            total = total + 0.5 ** (octave + 1) * weight * crest
            weight = crest
        return total


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
