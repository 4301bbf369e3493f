"""Groups of the command line, one file each; `services/__main__.py` registers them."""
