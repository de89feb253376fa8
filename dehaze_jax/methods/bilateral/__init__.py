"""Multi-guided bilateral learning: affine colour models in a bilateral grid, three learnt guides.

Reference: Zheng et al., Ultra-high-definition image dehazing via multi-guided bilateral learning
(CVPR 2021). `size="released"` is the network that the authors published, layer by layer;
`size="slim"` keeps its idea and is real-time at 4K.
"""
