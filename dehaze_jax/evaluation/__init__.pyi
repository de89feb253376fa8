from .baselines import BASELINES as BASELINES
from .perceptual import load_lpips as load_lpips
from .report import Report as Report
from .report import Row as Row
from .scoring import DEFAULT_PROTOCOLS as DEFAULT_PROTOCOLS
from .scoring import evaluate as evaluate
from .tables import as_table as as_table
