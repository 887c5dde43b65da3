"""``unionfs commit``: what an upper layer changes, as one more layer of an image."""

from __future__ import annotations

import argparse

from unionfs.cli import image_options
from unionfs.cli.parsers import Subparsers, examples


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "commit",
        usage="[OPTION]... MOUNTPOINT|UPPER IMAGE",
        help="write the upper layer into an image",
        description="Write the image beneath a mount, and its upper as one more layer, as a new image,"
        " and print its digest. Layers that are there already are not written again.",
        epilog=examples(
            "unionfs commit MOUNTPOINT oci:images:1.1",
            "unionfs commit MOUNTPOINT docker://registry.example/app:1.1 -m update",
            "unionfs commit UPPER oci:images:1.1 --base oci:images:1.0",
        ),
    )
    parser.add_argument(
        "target", metavar="MOUNTPOINT|UPPER", help="where the union is mounted, or its upper, by path or name"
    )
    parser.add_argument("destination", metavar="IMAGE", help=image_options.FORMS)
    parser.add_argument("-a", "--author", metavar="NAME", default="", help="who made the image")
    parser.add_argument("-m", "--message", metavar="TEXT", default="", help="a comment for its history")
    parser.add_argument(
        "--created-by", metavar="COMMAND", default="unionfs commit", help="what its history says made it"
    )
    parser.add_argument(
        "-c",
        "--change",
        metavar="INSTRUCTION",
        action="append",
        default=[],
        help="set CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR",
    )
    squash = parser.add_mutually_exclusive_group()
    squash.add_argument(
        "-s", "--squash", action="store_const", const="all", help="make one layer of all of them"
    )
    squash.add_argument(
        "--squash-layers", dest="squash", metavar="N..M", help="of these, counted from the lowest, 1"
    )
    image_options.add_beneath(parser)
    parser.add_argument("--selinux-labels", action="store_true", help="keep security.selinux in the layer")
    image_options.add_source(parser)
    image_options.add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli.target import inspected
    from unionfs.images.commit import Details, commit

    details = Details(
        created_by=args.created_by,
        author=args.author,
        message=args.message,
        changes=tuple(args.change),
        squash=args.squash,
        selinux_labels=args.selinux_labels,
    )
    output, source = image_options.output(args), image_options.source(args)
    with (
        inspected(args.target, source, base=args.base, words=args.words) as (union, image),
        image_options.progress(args) as told,
    ):
        manifest = commit(union, image, args.destination, details, output=output, progress=told)
    print(manifest.digest)
    return 0
