"""NeDR-Dehaze: unpaired dehazing with an implicit neural representation of the haze.

Reference: Fan et al., Learning implicit neural degradation representation for unpaired image
dehazing (arXiv 2511.13110), whose code stands on D4: Yang et al., Self-augmented unpaired image
dehazing via density and depth decomposition (CVPR 2022).
"""
