"""The networks of the paper's Table 2, a residual backbone, and the likelihoods."""
