import pathlib
import sys

# The studies are scripts, not an installed package.
EXPERIMENTS = pathlib.Path(__file__).parents[2] / "experiments"
sys.path[:0] = [str(EXPERIMENTS), str(EXPERIMENTS / "weights")]
