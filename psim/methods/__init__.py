"""Methods: one file per algorithm; a file declares its name, its parameters and its mathematics."""
