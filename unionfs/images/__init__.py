"""Container images: their layers as those of a union, and a union's changes as one more layer."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs.images.assembly import Output
    from unionfs.images.commit import Details
    from unionfs.images.compression import Compression
    from unionfs.images.convert import convert_squashed
    from unionfs.images.copy_all import convert_all
    from unionfs.images.documents import Form, Platform
    from unionfs.images.image import Image, ImageLayer, open_image
    from unionfs.images.layer_writer import write_layer
    from unionfs.images.limits import DEFAULT_LIMITS, Limits
    from unionfs.images.platforms import parse_platform
    from unionfs.images.progress import Progress
    from unionfs.images.reference import Reference, Transport, is_reference, parse_reference
    from unionfs.images.store import LayerStore, default_root, memory_layers, open_layers

__all__ = [
    "DEFAULT_LIMITS",
    "Compression",
    "Details",
    "Form",
    "Image",
    "ImageLayer",
    "LayerStore",
    "Limits",
    "Output",
    "Platform",
    "Progress",
    "Reference",
    "Transport",
    "convert_all",
    "convert_squashed",
    "default_root",
    "is_reference",
    "memory_layers",
    "open_image",
    "open_layers",
    "parse_platform",
    "parse_reference",
    "write_layer",
]

_HOMES = {
    "unionfs.images.assembly": {"Output"},
    "unionfs.images.commit": {"Details"},
    "unionfs.images.compression": {"Compression"},
    "unionfs.images.convert": {"convert_squashed"},
    "unionfs.images.copy_all": {"convert_all"},
    "unionfs.images.documents": {"Form", "Platform"},
    "unionfs.images.image": {"Image", "ImageLayer", "open_image"},
    "unionfs.images.layer_writer": {"write_layer"},
    "unionfs.images.limits": {"DEFAULT_LIMITS", "Limits"},
    "unionfs.images.platforms": {"parse_platform"},
    "unionfs.images.progress": {"Progress"},
    "unionfs.images.reference": {"Reference", "Transport", "is_reference", "parse_reference"},
    "unionfs.images.store": {"LayerStore", "default_root", "memory_layers", "open_layers"},
}
"""Where each name is loaded from when it is first asked for: who mounts does not commit.

(What is called as its module is, `commit` and `convert`, is imported from there.)
"""

if not TYPE_CHECKING:  # as in `unionfs` itself

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return globals().setdefault(name, getattr(import_module(home), name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
