"""4KDehazeFlow: a learnt flow from the hazy image to the clear one.

Reference: Chen et al., 4KDehazeFlow: Ultra-high-definition image dehazing via flow matching
(arXiv 2511.09055). The paper's code is not public; what its text leaves open is our choice and is
marked so in `config.py`.
"""
