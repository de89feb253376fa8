from .config import MeshConfig as MeshConfig
from .config import TrainConfig as TrainConfig
from .loop import TrainResult as TrainResult
from .loop import train as train
from .mesh import make_mesh as make_mesh
from .provenance import machine as machine
from .rehazing import rehaze as rehaze
