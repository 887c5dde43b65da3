"""The local store: what is known of layers, by digest, for any number of unions and processes.

    ROOT/layers/sha256/<chain ID>      a layer unpacked: a tree, whole and verified, never changed again
    ROOT/sums/sha256/<chain ID>        a hash of that tree, to find damage by
    ROOT/index/sha256/<chain ID>       a layer not unpacked: what is in it (`indexing`)
    ROOT/known/sha256/<blob>           a blob that was verified, in which file, and how it is compressed
    ROOT/points/sha256/<blob>          where the decompressing of a long gzip member can begin
    ROOT/plain/sha256/<diff ID>        a layer decompressed, where it cannot be read otherwise
    ROOT/files/sha256/<diff ID>/       files of a compressed layer that were read, by their hash
    ROOT/blobs/sha256/<blob>           a blob that is in no file of this host
    ROOT/locks/<any of these>          locked while it is made; leased while it is in use

What depends on the layers beneath goes by chain ID, not diff ID: what an archive leaves
open (a parent that it has no entry for, a link to a lower file) is found there. The ID of a
stack's lowest layer is its diff ID. Whatever is here is complete when it has its name, and
is made once: two processes that need the same wait for one another.

Trust. A blob is read whole and verified (digest, size, diff ID) before anything in it is
shown. It is read again, in part, while it is mounted, and is not copied for that: it is
held open, and whenever a file in it is opened or read, the blob's inode must have the size,
mtime and ctime that it was verified with; otherwise it is verified anew. So it is when another
mount finds something else under the blob's name. ctime is the kernel's and cannot be set
back, so this holds against everybody but root. What is kept here is ours alone (mode 0700).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from unionfs.core.layer import Layer
from unionfs.dialects.aufs import AufsDialect
from unionfs.images import kept, known, tally, whole_files
from unionfs.images.compression import Compression, Decompressed
from unionfs.images.contents import PackedContents, PlainContents, TrustedBlob, WholeFiles
from unionfs.images.digest import Digest, digest_of
from unionfs.images.documents import Platform
from unionfs.images.image import Image, ImageLayer, open_image, read_image
from unionfs.images.known import Known
from unionfs.images.limits import DEFAULT_LIMITS, NO_LIMITS, Limits
from unionfs.images.progress import Measured, Progress, silent
from unionfs.images.pulled import PulledSource
from unionfs.images.readers import FramesReader, GzipReader, LazyReader, Reader, are_short, can_seek
from unionfs.images.reference import Transport, parse_reference
from unionfs.images.streams import FileSource, HashedSource, Source, chunks
from unionfs.images.stretch import Stretch
from unionfs.images.transfers import Transfers
from unionfs.images.transport import Remote, Trust
from unionfs.layers.archive import ArchiveStore, BrokenIndexError, Contents, Index
from unionfs.layers.host import HostStore
from unionfs.layers.host.lease import Lease
from unionfs.layers.host.locks import exclusive

if TYPE_CHECKING:
    from concurrent.futures import Future

# What reads archives is imported where one is read: a mount of what is known already starts without it.

_SYSTEM_ROOT = "/var/lib/unionfs"
_IDENTITY_SIZE = 16


def default_root() -> Path:
    """``$UNIONFS_STORE``; else /var/lib/unionfs for root, ``$XDG_DATA_HOME/unionfs`` for others."""
    chosen = os.environ.get("UNIONFS_STORE")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path(_SYSTEM_ROOT)
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "unionfs"


class _LeasedStore(HostStore):
    """An unpacked layer, in use until it is closed."""

    def __init__(self, directory: Path, name: str, leases: ExitStack) -> None:
        super().__init__(directory, name)
        self._leases = leases

    def close(self) -> None:
        super().close()
        self._leases.close()


class _LeasedArchive(ArchiveStore):
    """An indexed layer, in use until it is closed."""

    def __init__(
        self, index: Index, contents: Sequence[Contents], name: str, chain: Digest, leases: ExitStack
    ) -> None:
        super().__init__(index, contents, name, bytes.fromhex(chain.hex)[:_IDENTITY_SIZE])
        self._leases = leases

    def close(self) -> None:
        super().close()
        self._leases.close()


class LayerStore:
    """Layers beneath one directory, made when first needed. Safe for several processes.

    Every method raises `ImageError` for what is wrong with an image, and then keeps nothing of it.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = default_root() if root is None else Path(root)

    def layers(self, image: Image, progress: Progress = silent, *, unpacked: bool = False) -> list[Layer]:
        """The image's layers, top-most first, as indexed archives or as directories."""
        layers: list[Layer] = []
        contents: list[Contents] = []
        try:
            with Transfers(progress) as transfers:
                arrivals = self._arrivals(image, transfers)
                for layer in image.layers:
                    if layer.descriptor.digest in arrivals:
                        transfers.wait(arrivals[layer.descriptor.digest])
                    if unpacked:
                        store: HostStore | ArchiveStore = self._directory(
                            image, layer, layers, transfers.meanwhile
                        )
                    else:
                        store = self._archive(image, layer, layers, contents, transfers.meanwhile)
                    layers.insert(0, Layer(store, AufsDialect()))
        except BaseException:
            for opened in layers:
                opened.store.close()
            raise
        return layers or [_nothing(image)]

    def open_image(
        self,
        reference: str,
        limits: Limits = DEFAULT_LIMITS,
        *,
        platform: Platform | None = None,
        tls_verify: bool = True,
    ) -> Image:
        """As `image.open_image`; but what a registry has sent is kept, and not asked for again."""
        parsed = parse_reference(reference)
        if parsed.transport is not Transport.REGISTRY:
            return open_image(parsed, limits, platform=platform, tls_verify=tls_verify)
        source = PulledSource(parsed, Trust(limits, tls_verify), partial(self.path, "blobs"))
        return read_image(parsed, source, limits, platform)

    # Unpacked

    def _directory(
        self, image: Image, layer: ImageLayer, below: Sequence[Layer], progress: Progress
    ) -> HostStore:
        chain = self._chain(image, layer)
        directory = self.path("layers", chain)
        with (
            self._leased(chain, layer.descriptor.digest) as leases,
            self._blob(image, layer, progress) as blob,
        ):
            if directory.is_dir():
                # Not needed to show the layer; but who names a broken image is to learn of it.
                self._recognise(image, layer, blob, progress)
            with exclusive(self.lock(chain)):
                if not directory.is_dir():
                    self._unpack(image, layer, below, blob, progress, directory)
                elif not _is_counted(kept.read(self.path("sums", chain)), image.limits):
                    self._count(image, layer, below, blob, progress)
            return _LeasedStore(directory, layer.name, leases.pop_all())

    def _unpack(
        self,
        image: Image,
        layer: ImageLayer,
        below: Sequence[Layer],
        blob: Stretch,
        progress: Progress,
        directory: Path,
    ) -> None:
        from unionfs.images.treesum import tree_sum
        from unionfs.images.unpack import unpack

        # Beside its final name: a directory that we own but must not write to can be
        # renamed, but not moved to another directory (rename(2)).
        partial_ = directory.with_name(f".{directory.name}")
        remove(partial_)
        partial_.mkdir()
        try:
            store = HostStore(partial_, writable=True)
            try:
                with (
                    blob.from_start() as source,
                    image.open_layer(layer, progress, source) as archive,
                ):
                    unpack(archive, layer.name, store, below=below, limits=image.limits, tally=archive.tally)
                store.sync()
                content = archive.tally.in_front_of(tree_sum(store))
                kept.write(self.path("sums", self._chain(image, layer)), content)
            finally:
                store.close()
            partial_.rename(directory)
            whole_files.sync_directory(directory.parent)
        except BaseException:
            remove(partial_)
            raise

    def _count(
        self, image: Image, layer: ImageLayer, below: Sequence[Layer], blob: Stretch, progress: Progress
    ) -> None:
        """Hold a layer that is unpacked already against other limits than when it was."""
        from unionfs.images.checking import check

        path = self.path("sums", self._chain(image, layer))
        known_ = kept.read(path)
        with blob.from_start() as source, image.open_layer(layer, progress, source) as archive:
            check(archive, layer.name, below=below, limits=image.limits, tally=archive.tally)
        if known_ is not None:
            found = tally.found_in(known_)
            kept.write(path, archive.tally.in_front_of(bytes(found[1] if found else known_)))

    # Indexed

    def _archive(
        self,
        image: Image,
        layer: ImageLayer,
        below: Sequence[Layer],
        contents: list[Contents],
        progress: Progress,
    ) -> ArchiveStore:
        """`contents`, those of the layers beneath, are added to."""
        chain = self._chain(image, layer)
        with self._leased(chain, layer.diff_id, layer.descriptor.digest) as leases:
            blob = leases.enter_context(self._blob(image, layer, progress))
            index, about = self._indexed(image, layer, below, blob, progress)
            contents.append(self._contents(layer, blob, about))
            return _LeasedArchive(index, contents[:], layer.name, chain, leases.pop_all())

    def _indexed(
        self, image: Image, layer: ImageLayer, below: Sequence[Layer], blob: Stretch, progress: Progress
    ) -> tuple[Index, Known]:
        chain = self._chain(image, layer)
        index = self._index(chain, image.limits)
        if index is not None:
            about = self._recognise(image, layer, blob, progress)
            if about is not None and about.tally.is_within(image.limits):
                return index, about
        with exclusive(self.lock(chain)):
            index, about = self._index(chain, image.limits), known.read(self._known(layer))
            if (
                index is None
                or about is None
                or about.identity != blob.identity()
                or not about.tally.is_within(image.limits)
            ):
                index, about = self._make_index(image, layer, below, blob, progress)
        return index, about

    def _index(self, chain: Digest, limits: Limits) -> Index | None:
        """None where there is none, or one of what is beyond these limits: who makes it anew is told so."""
        content = kept.read(self.path("index", chain))
        found = tally.found_in(content) if content is not None else None
        if found is None or not found[0].is_within(limits):
            return None
        try:
            return Index(found[1])
        except BrokenIndexError:
            return None

    def _make_index(
        self, image: Image, layer: ImageLayer, below: Sequence[Layer], blob: Stretch, progress: Progress
    ) -> tuple[Index, Known]:
        from unionfs.images.indexing import build_index

        identity = blob.identity()
        with (
            blob.from_start() as source,
            image.open_layer(layer, progress, source) as archive,
        ):
            content = build_index(archive, layer.name, below=below, limits=image.limits, tally=archive.tally)
        plain = archive.decompressed
        about = Known(
            identity, str(layer.diff_id), plain.compression, plain.size, archive.tally, plain.frames
        )
        about.write(self._known(layer))
        kept.write(self.path("index", self._chain(image, layer)), archive.tally.in_front_of(content))
        return Index(content), about

    def _recognise(self, image: Image, layer: ImageLayer, blob: Stretch, progress: Progress) -> Known | None:
        """What is known of a layer's blob, which is verified again unless it is in the very same file.

        None where nothing is known; it is verified then, too.
        """
        about, identity = known.read(self._known(layer)), blob.identity()
        if about is not None and about.diff_id != str(layer.diff_id):
            return None
        if about is None or about.identity != identity:
            with blob.from_start() as source:
                image.verify_blob(layer, progress, source)
            if about is not None:
                about = about._replace(identity=identity)
                about.write(self._known(layer))
        return about

    def _contents(self, layer: ImageLayer, blob: Stretch, about: Known) -> Contents:
        trusted = TrustedBlob(blob, layer.descriptor.digest, about.identity)
        if about.compression is Compression.NONE:
            return PlainContents(layer.diff_id, trusted)
        wholes = WholeFiles(self.path("files", layer.diff_id))
        if are_short(about.frames, about.size):
            reader: Reader = FramesReader(blob, layer.descriptor.size, about.frames)
        elif can_seek(about.compression):
            points = self.path("points", layer.descriptor.digest)
            reader = LazyReader(lambda: GzipReader(blob.from_start(), points))
        else:
            reader = LazyReader(partial(self._decompressed, layer, blob))
        return PackedContents(layer.diff_id, trusted, reader, wholes)

    def _decompressed(self, layer: ImageLayer, blob: Stretch) -> Reader:
        """The layer's plain bytes, in a file of their own."""
        path = self.path("plain", layer.diff_id)
        with exclusive(self.lock(layer.diff_id)):
            if not path.exists():
                _decompress(layer, blob, path)
        with open(path, "rb") as file:
            return Stretch(file.fileno(), 0, os.fstat(file.fileno()).st_size)

    # Blobs

    def _arrivals(self, image: Image, transfers: Transfers) -> dict[Digest, Future[None]]:
        """The blobs that have to be fetched, all on their way: the layers above come while one is read."""
        arrivals: dict[Digest, Future[None]] = {}
        for layer in image.layers if isinstance(image.source, Remote) else ():
            _, digest, size, *_ = layer.descriptor
            if digest not in arrivals and not self.path("blobs", digest).exists():
                fetch = partial(self._fetch, image, layer)
                arrivals[digest] = transfers.start(str(digest), size, fetch, image.source)
        return arrivals

    def _fetch(self, image: Image, layer: ImageLayer, progress: Progress) -> None:
        blob = layer.descriptor
        path = self.path("blobs", blob.digest)
        with exclusive(self.lock(blob.digest), waiting=lambda: progress(str(blob.digest), 0, blob.size)):
            if not path.exists():
                with image.open_blob(blob) as source:
                    _keep(layer, source, progress, path)

    def _blob(self, image: Image, layer: ImageLayer, progress: Progress) -> Stretch:
        """The layer's blob, open: where the image has it, or fetched where that is no file of this host."""
        blob = layer.descriptor
        path = self.path("blobs", blob.digest)
        if not path.exists():
            with image.open_blob(blob) as source:
                if isinstance(source, FileSource):
                    return Stretch(*source.extent())
            self._fetch(image, layer, progress)
        with open(path, "rb") as file:
            return Stretch(file.fileno(), 0, blob.size)

    # Places

    def _known(self, layer: ImageLayer) -> Path:
        return self.path("known", layer.descriptor.digest)

    def _chain(self, image: Image, layer: ImageLayer) -> Digest:
        """What the layer is called with all beneath it, under the rules that it was read by."""
        chain = layer.chain_id
        return digest_of(f"last wins: {chain}".encode()) if image.limits.last_wins else chain

    @contextmanager
    def _leased(self, *digests: Digest) -> Iterator[ExitStack]:
        """Nobody prunes what has these digests, until what the block took over is closed."""
        with ExitStack() as leases:
            for digest in digests:
                leases.enter_context(closing(Lease(self.lock(digest))))
            yield leases

    def lock(self, digest: Digest) -> Path:
        return self._made(self.root / "locks") / digest.hex

    def path(self, kind: str, digest: Digest) -> Path:
        """Where something is kept; see the table above."""
        return self._made(self.root / kind / digest.algorithm) / digest.hex

    def _made(self, directory: Path) -> Path:
        # For the owner alone: the trees hold other systems' set-uid programs.
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory


def _is_counted(content: memoryview | None, limits: Limits) -> bool:
    """Whether the sum of an unpacked layer says that it is within these limits."""
    found = tally.found_in(content) if content is not None else None
    return found is not None and found[0].is_within(limits)


def _nothing(image: Image) -> Layer:
    """What an image without layers shows."""
    from unionfs.layers.memory import MemoryStore

    return Layer(MemoryStore(image.source.name), AufsDialect())


def remove(path: Path) -> None:
    """Take away what there is, a tree or a file."""
    if path.is_dir() and not path.is_symlink():
        import shutil  # it brings bz2 and lzma, and most mounts remove nothing

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keep(layer: ImageLayer, source: Source, progress: Progress, path: Path) -> None:
    blob = layer.descriptor
    measured = Measured(source, str(blob.digest), blob.size, progress)
    hashed = HashedSource(measured, blob.digest.algorithm)
    with kept.aside(path) as file:
        for data in chunks(hashed):
            file.write(data)
        hashed.verify(layer.name, blob.digest, blob.size)


def _decompress(layer: ImageLayer, blob: Stretch, path: Path) -> None:
    with blob.from_start() as source, kept.aside(path) as file:
        plain = HashedSource(Decompressed(source, layer.name, NO_LIMITS), layer.diff_id.algorithm)
        for data in chunks(plain):
            file.write(data)
        plain.verify(f"{layer.name}: diff ID", layer.diff_id)


def open_layers(
    reference: str,
    store: LayerStore | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
    *,
    unpacked: bool = False,
    platform: Platform | None = None,
    tls_verify: bool = True,
) -> tuple[Image, list[Layer]]:
    """The image that `reference` names, and its layers as those of a union: top-most first.

    Of the layers `store` keeps indexes or, with `unpacked`, directories. The caller closes
    the image; the layers do not need it. For the rest see `open_image`.
    """
    layer_store = LayerStore() if store is None else store
    image = layer_store.open_image(reference, limits, platform=platform, tls_verify=tls_verify)
    try:
        return image, layer_store.layers(image, progress, unpacked=unpacked)
    except BaseException:
        image.close()
        raise


def memory_layers(image: Image, progress: Progress = silent) -> list[Layer]:
    """The image's layers in memory, top-most first: nothing is written to disk, no privileges are needed."""
    from unionfs.images.unpack import unpack
    from unionfs.layers.memory import MemoryStore

    layers: list[Layer] = []
    for layer in image.layers:
        store = MemoryStore(layer.name)
        with image.open_layer(layer, progress) as archive:
            unpack(archive, layer.name, store, below=layers, limits=image.limits)
        layers.insert(0, Layer(store, AufsDialect()))
    return layers or [_nothing(image)]
