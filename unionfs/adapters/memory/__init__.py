"""The union as a Python object: no mount, no privileges, no kernel.

constructor.py  layers as a caller names them -> a `Union`
names.py        str, bytes and PathLike at the edge, bytes within
resolve.py      paths -> nodes: symbolic links, `..`, trailing slashes
files.py        `open()`: modes, and the raw file below Python's buffers
results.py      what `os` returns: stat results, directory entries
patterns.py     what `glob` matches
filesystem.py   `UnionFS`: the calls of `os`
path.py         `UnionPath`: the same, pathlib's way
"""
