"""A union's changes as a new image: one more layer on top of the image that it came from."""

from __future__ import annotations

from typing import NamedTuple

from unionfs.core.union import Union
from unionfs.images import configuration, dates, squash
from unionfs.images.assembly import AS_IT_IS, Assembly, Output, Write
from unionfs.images.documents import Descriptor, Json
from unionfs.images.image import Image
from unionfs.images.layer_writer import LayerOptions, write_layer
from unionfs.images.platforms import host_platform
from unionfs.images.progress import Progress, silent
from unionfs.images.squash import Run


class Details(NamedTuple):
    """What a commit says and does beside the changes.

    `changes` are instructions as podman-commit(1) has them; `squash` makes one layer of a run of
    them, the new one among them: ``all``, or ``N..M``, counted from the lowest, which is 1;
    `selinux_labels` keeps them, which are otherwise left out.
    """

    created_by: str = "unionfs commit"
    author: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()
    squash: str | None = None
    selinux_labels: bool = False


_DEFAULT = Details()


def commit(
    union: Union,
    base: Image | None,
    destination: str,
    details: Details = _DEFAULT,
    *,
    output: Output = AS_IT_IS,
    progress: Progress = silent,
) -> Descriptor:
    """Write the image `base` plus the union's changes to `destination`, a reference of any form.

    `base` are the lowest layers of the union; without it the image has one layer.
    ``$SOURCE_DATE_EPOCH`` is the latest time of anything in it. Returns the manifest's
    descriptor. Raises `ImageError`, or `OSError` where the destination cannot be written; it
    then has the images that it had.
    """
    layers = len(base.layers) if base else 0
    run = squash.parse_run(details.squash, layers + 1) if details.squash else None
    options = LayerOptions(dates.source_date_epoch(), details.selinux_labels)
    config = _config(base, details, run)
    above = len(union.lowers) - run.first if run and run.last > layers else 0
    with Assembly(destination, base, output, progress) as assembly:
        if base is not None:
            squash.take_layers(assembly, base, run, union, options)
        assembly.write(lambda sink: write_layer(union, sink, options, above=above))
        return assembly.finish(config)


def add_layer(base: Image | None, write: Write, destination: str, *, created_by: str) -> Descriptor:
    """`commit` for a layer that comes from elsewhere: `write` writes its archive."""
    with Assembly(destination, base) as assembly:
        if base is not None:
            squash.take_layers(assembly, base)
        assembly.write(write)
        return assembly.finish(_config(base, Details(created_by=created_by), None))


def _config(base: Image | None, details: Details, run: Run | None) -> Json:
    created = dates.now()
    config = base.config if base else configuration.new(host_platform())
    history = squash.history(config, len(base.layers) if base else 0, run, created)
    config = configuration.with_changes(config, details.changes)
    line = configuration.line(created, details.created_by, author=details.author, comment=details.message)
    config |= {"created": created} | ({"author": details.author} if details.author else {})
    return configuration.with_history(config, None if history is None else [*history, line])
