"""How long this project takes beside its peers, on the same trees in one run. See README.md."""
