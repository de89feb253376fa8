from .interpolation import apply as apply
from .interpolation import apply_planes as apply_planes
from .penalties import monotonicity as monotonicity
from .penalties import smoothness as smoothness
from .tables import identity as identity
