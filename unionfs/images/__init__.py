"""Container images: their layers as those of a union, and a union's changes as one more layer."""

from unionfs.images.commit import commit
from unionfs.images.layer_writer import write_layer
from unionfs.images.layout import Image, ImageLayer, open_image
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.progress import Progress
from unionfs.images.reference import Reference, Transport, is_reference, parse_reference
from unionfs.images.store import LayerStore, default_root, memory_layers, open_layers

__all__ = [
    "DEFAULT_LIMITS",
    "Image",
    "ImageLayer",
    "LayerStore",
    "Limits",
    "Progress",
    "Reference",
    "Transport",
    "commit",
    "default_root",
    "is_reference",
    "memory_layers",
    "open_image",
    "open_layers",
    "parse_reference",
    "write_layer",
]
