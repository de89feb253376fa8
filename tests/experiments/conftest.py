import pathlib
import sys

# The studies are scripts, not an installed package.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "experiments"))
