"""The local store: layers unpacked once, for any number of unions and processes.

    ROOT/layers/sha256/<chain ID>/      a layer's tree, whole and verified, never changed again
    ROOT/layers/sha256/.<chain ID>      what is being unpacked, or what a crash left of it
    ROOT/locks/<chain ID>               held while the layer is unpacked

Layers go by their chain ID, not their diff ID: what an archive leaves open (a parent
that it has no entry for, a link to a lower file) depends on the layers beneath. The
ID of a stack's lowest layer is its diff ID. A tree is complete when it has its name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from unionfs.core.layer import Layer
from unionfs.dialects.aufs import AufsDialect
from unionfs.images.image import Image, ImageLayer, open_image
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.locks import exclusive, sync_directory
from unionfs.images.progress import Progress, silent
from unionfs.images.unpack import unpack
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore

_SYSTEM_ROOT = "/var/lib/unionfs"


def default_root() -> Path:
    """``$UNIONFS_STORE``; else /var/lib/unionfs for root, ``$XDG_DATA_HOME/unionfs`` for others."""
    chosen = os.environ.get("UNIONFS_STORE")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path(_SYSTEM_ROOT)
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "unionfs"


class LayerStore:
    """Unpacked layers beneath one directory, made when first needed. Safe for several processes."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = default_root() if root is None else Path(root)

    def layer(
        self, image: Image, layer: ImageLayer, below: Sequence[Layer] = (), progress: Progress = silent
    ) -> Path:
        """The directory that holds `layer` of `image`, unpacked if it is not there yet.

        `below` are the layers beneath, top-most first. Raises `ImageError` as
        `Image.open_layer` and `unpack` do, and then keeps nothing.
        """
        chain = image.chain_id(layer)
        directory = self._directory("layers", chain.algorithm) / chain.hex
        if directory.is_dir():
            # Not needed to show the layer; but who names a broken image is to learn of it.
            image.verify_blob(layer, progress)
            return directory
        with exclusive(self._directory("locks") / chain.hex):
            if not directory.is_dir():
                self._unpack(image, layer, below, progress, directory)
        return directory

    def _unpack(
        self, image: Image, layer: ImageLayer, below: Sequence[Layer], progress: Progress, directory: Path
    ) -> None:
        # Beside its final name: a directory that we own but must not write to can be
        # renamed, but not moved to another directory (rename(2)).
        partial = directory.with_name(f".{directory.name}")
        _remove(partial)
        partial.mkdir()
        try:
            store = HostStore(partial, writable=True)
            try:
                with image.open_layer(layer, progress) as archive:
                    unpack(archive, layer.name, store, below=below, limits=image.limits)
                store.sync()
            finally:
                store.close()
            partial.rename(directory)
            sync_directory(directory.parent)
        except BaseException:
            _remove(partial)
            raise

    def _directory(self, *names: str) -> Path:
        # For the owner alone: the trees hold other systems' set-uid programs.
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = self.root.joinpath(*names)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory


def _remove(tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)


def open_layers(
    reference: str,
    store: LayerStore | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> tuple[Image, list[Layer]]:
    """The image that `reference` names, and its layers as those of a union: top-most first.

    The layers are unpacked into `store`. The caller closes the image; the layers do not need it.
    """
    image = open_image(reference, limits)
    try:
        return image, image_layers(image, store, progress)
    except BaseException:
        image.close()
        raise


def image_layers(image: Image, store: LayerStore | None = None, progress: Progress = silent) -> list[Layer]:
    """The layers of an open image, as `open_layers` gives them."""
    layer_store = LayerStore() if store is None else store
    layers: list[Layer] = []
    try:
        for layer in image.layers:
            directory = layer_store.layer(image, layer, layers, progress)
            layers.insert(0, Layer(HostStore(directory, layer.name), AufsDialect()))
    except BaseException:
        for opened in layers:
            opened.store.close()
        raise
    return layers


def memory_layers(image: Image, progress: Progress = silent) -> list[Layer]:
    """The image's layers in memory, top-most first: nothing is written to disk, no privileges are needed."""
    layers: list[Layer] = []
    for layer in image.layers:
        store = MemoryStore(layer.name)
        with image.open_layer(layer, progress) as archive:
            unpack(archive, layer.name, store, below=layers, limits=image.limits)
        layers.insert(0, Layer(store, AufsDialect()))
    return layers
