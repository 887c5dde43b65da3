"""`commit_image`: what a union changes of an image, as one more layer of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from unionfs import images
from unionfs.errors import ConfigError
from unionfs.images.assembly import AS_IT_IS
from unionfs.images.commit import commit
from unionfs.images.progress import silent

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS

_AS_USUAL = images.Details()


def commit_image(
    fs: UnionFS,
    base: str | None,
    destination: str,
    *,
    details: images.Details = _AS_USUAL,
    output: images.Output = AS_IT_IS,
    limits: images.Limits = images.DEFAULT_LIMITS,
    platform: images.Platform | None = None,
    tls_verify: bool = True,
    progress: images.Progress = silent,
) -> str:
    """Write the image `base`, with the changes in `fs` as one more layer, to `destination`; its digest.

    `fs` is what `open_image` gave for `base`; without a base the image has one layer. References
    are as skopeo and podman write them. `details` are what the image says of the commit, and the
    settings that it changes; `output` is how the image is written. `limits`, `platform` and
    `tls_verify` are those of `images.open_image`, for `base`. Layers that the destination has are
    not written again; of equal changes the layer is the same, bit for bit.

    Raises `ConfigError` where `fs` does not lie on `base`, `ImageError` for what is wrong with either
    image, `OSError` where the destination cannot be written; it then has the images that it had.
    """
    with ExitStack() as held:
        image = None
        if base is not None:
            opened = images.open_image(base, limits, platform=platform, tls_verify=tls_verify)
            image = held.enter_context(opened)
            _check_beneath(fs, image)
        manifest = commit(fs.union, image, destination, details, output=output, progress=progress)
    return str(manifest.digest)


def _check_beneath(fs: UnionFS, image: images.Image) -> None:
    beneath = [layer.name for layer in reversed(fs.union.lowers)]
    if beneath[: len(image.layers)] != [layer.name for layer in image.layers]:
        raise ConfigError(f"{image.reference}: not the image that {fs!r} lies on")
