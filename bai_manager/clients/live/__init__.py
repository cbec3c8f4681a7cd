"""What kernels use now: from their agents, or from a cluster's Valkey."""
