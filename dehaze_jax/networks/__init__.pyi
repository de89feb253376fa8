from .backbones import BACKBONES as BACKBONES
from .backbones import Backbone as Backbone
from .backbones import ResidualCNN as ResidualCNN
from .backbones import UNet as UNet
from .backbones import find_backbone as find_backbone
from .layers import ResidualBlock as ResidualBlock
from .time import TimeEmbedding as TimeEmbedding
from .time import sinusoids as sinusoids
