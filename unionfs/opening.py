"""`open_image`, `open_union`: images, and layers of every kind, as a union in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from unionfs import images
from unionfs.adapters.memory.filesystem import UnionFS
from unionfs.images.progress import silent

if TYPE_CHECKING:
    from unionfs.adapters.memory.constructor import LayerLike, UpperLike
    from unionfs.adapters.memory.names import AnyPath
    from unionfs.core.layer import Layer
    from unionfs.layers.fsspec.store import UrlOptions


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
    volumes: Sequence[str] = (),
    progress: images.Progress = silent,
) -> UnionFS:
    """The union over an image's layers: no mount, no privileges, nothing unpacked.

    `reference` is as skopeo and podman write it: ``oci:DIR:TAG``, ``oci-archive:FILE``, …
    `upper`, `work`, `read_only`, `owner` and `volumes` are those of `UnionFS`. What is found out about
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
    with _closed_on_failure(layers):
        return UnionFS(*layers, upper=upper, work=work, read_only=read_only, owner=owner, volumes=volumes)


def open_union(
    *lowers: LayerLike,
    upper: UpperLike | None = None,
    work: AnyPath | None = None,
    read_only: bool = False,
    owner: tuple[int, int] | None = None,
    dialect: str | None = None,
    url_options: UrlOptions | None = None,
    volumes: Sequence[str] = (),
    store: str | os.PathLike[str] | None = None,
) -> UnionFS:
    """The union over any mix of layers: those that `UnionFS` takes, and references of images.

    ``open_union("/etc", "s3://bucket/base", "oci:DIR:TAG")``, the top-most first; an image
    stands for all its layers. `store` is as in `open_image`, the others and the errors are
    those of `UnionFS` and `open_image`. (A directory called as an image is: ``./oci:…``.)
    """
    with _layers(lowers, images.LayerStore(store)) as layers:
        return UnionFS(
            *layers,
            upper=upper,
            work=work,
            read_only=read_only,
            owner=owner,
            dialect=dialect,
            url_options=url_options,
            volumes=volumes,
        )


@contextmanager
def _layers(lowers: Sequence[LayerLike], store: images.LayerStore) -> Iterator[list[LayerLike]]:
    """`lowers` with the layers of images in the images' place; closed if the block fails."""
    with ExitStack() as opened:
        layers: list[LayerLike] = []
        for lower in lowers:
            if not isinstance(lower, str) or not images.is_reference(lower):
                layers.append(lower)
                continue
            image, found = images.open_layers(lower, store)
            image.close()
            opened.enter_context(_closed_on_failure(found))
            layers += found
        yield layers


@contextmanager
def _closed_on_failure(layers: Sequence[Layer]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for layer in layers:
            layer.store.close()
        raise
