"""Container images: their layers as those of a union, and a union's changes as one more layer."""

from unionfs.images.assembly import Output
from unionfs.images.commit import Details, commit
from unionfs.images.compression import Compression
from unionfs.images.convert import convert, convert_squashed
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
    "commit",
    "convert",
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
