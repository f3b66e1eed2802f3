"""Networks that psim ships, and any others by name. All modules but `names` import torch."""
