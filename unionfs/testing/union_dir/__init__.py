"""The pytest fixture `union_dir`: a directory that a test can change, and that is never touched.

plugin.py   what pytest loads: the fixture, its marker and its options; imports nothing else
path.py     what a test is given: a path that can tell what has changed
keeper.py   the process that mounts, and takes everything away whatever becomes of the tests
asking.py   how it is asked
"""
