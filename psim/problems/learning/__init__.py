"""Networks as shares of f: modules on flat vectors, losses, tests. Importing it imports torch."""
