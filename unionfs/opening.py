"""`open_image`: an image as a union in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from unionfs import images
from unionfs.adapters.memory.filesystem import UnionFS
from unionfs.images.progress import silent

if TYPE_CHECKING:
    from unionfs.adapters.memory.constructor import UpperLike
    from unionfs.adapters.memory.names import AnyPath


def open_image(
    reference: str,
    *,
    upper: UpperLike | None = None,
    work: AnyPath | None = None,
    read_only: bool = False,
    owner: tuple[int, int] | None = None,
    store: str | os.PathLike[str] | None = None,
    limits: images.Limits = images.DEFAULT_LIMITS,
    platform: images.Platform | None = None,
    tls_verify: bool = True,
    progress: images.Progress = silent,
) -> UnionFS:
    """The union over an image's layers: no mount, no privileges, nothing unpacked.

    `reference` is as skopeo and podman write it: ``oci:DIR:TAG``, ``oci-archive:FILE``, …
    `upper`, `work`, `read_only` and `owner` are those of `UnionFS`. What is found out about
    the layers is kept in the directory `store`, by default where ``unionfs mount`` keeps it.
    `limits`, `platform` and `tls_verify` are those of `images.open_image`. Close the union when done.

    Raises `ImageNotFoundError` where there is no such image, `ImageError` for what is wrong
    with it or beyond `limits`, `ConfigError` for an upper that does not fit. The image itself,
    its configuration and its layers' blobs, is what `unionfs.images.open_image` opens.
    """
    image, layers = images.open_layers(
        reference, images.LayerStore(store), limits, progress, platform=platform, tls_verify=tls_verify
    )
    image.close()
    try:
        return UnionFS(*layers, upper=upper, work=work, read_only=read_only, owner=owner)
    except BaseException:
        for layer in layers:
            layer.store.close()
        raise
