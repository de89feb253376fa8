from .colour_difference import ciede2000 as ciede2000
from .colour_difference import lab_difference as lab_difference
from .fidelity import psnr as psnr
from .protocols import PROTOCOLS as PROTOCOLS
from .protocols import Protocol as Protocol
from .protocols import score as score
from .protocols import score_all as score_all
from .structure import ssim as ssim
