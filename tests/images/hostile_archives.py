"""Hostile and odd layer archives, with what must come of each: a message, or the tree that is unpacked."""

from __future__ import annotations

from archive_builder import (
    END,
    base256,
    directory,
    extended,
    file,
    hardlink,
    header,
    octal,
    pax,
    pax_raw,
    record,
    symlink,
)

Tree = dict[bytes, str]

REFUSED: dict[str, tuple[bytes, str]] = {
    # Headers
    "bad checksum": (file(b"a", b"1") + header(b"b", checksum=octal(1)) + END, "wrong header checksum"),
    "checksum that is no number": (header(checksum=b"zzzzzzz\0") + END, "not a number"),
    "cut header": (file(b"a") + header(b"b")[:300], "header is cut short"),
    "cut data": (header(b"a", size=octal(2000, 12)) + bytes(512), "'a': data is cut short"),
    "cut padding": (file(b"a", b"1")[:600], "padding is cut short"),
    "garbage": (b"\x01" * 1024, "not a number"),
    "unknown magic": (header(magic=b"pax\0\0\0\0\0") + END, "unknown header format"),
    "data after the end": (file(b"a") + END + file(b"b"), "data after the end"),
    "one block of zeros in between": (file(b"a") + END[:512] + file(b"b"), "data after the end"),
    "rubbish after the end": (file(b"a") + END + b"rubbish", "data after the end"),
    "half a block at the end": (file(b"a") + b"x" * 100, "header is cut short"),
    "signed checksum": (
        header(b"\xff" * 8, checksum=b"%06o\0 " % (sum(header(b"\xff" * 8, checksum=b" " * 8)) - 8 * 256))
        + END,
        "wrong header checksum",
    ),
    "volume header": (header(kind=b"V", magic=b"ustar  \0") + END, "entry type b'V'"),
    "dump directory": (header(kind=b"D", magic=b"ustar  \0") + END, "entry type b'D'"),
    "Solaris's extended header": (
        extended(b"X", record(b"path", b"x")) + file(b"a") + END,
        "entry type b'X'",
    ),
    "Solaris's ACL": (extended(b"A", b"acl") + file(b"a") + END, "entry type b'A'"),
    "unknown type": (header(kind=b"Z") + END, "entry type b'Z'"),
    "old GNU sparse file": (header(kind=b"S", magic=b"ustar  \0") + END, "entry type b'S'"),
    "multi-volume": (header(kind=b"M", magic=b"ustar  \0") + END, "entry type b'M'"),
    # Numbers
    "negative size": (header(size=base256(-512, 12)) + END, "size out of range: -512"),
    "size beyond the limit": (header(size=base256(1 << 60, 12)) + END, "size out of range"),
    "signed octal": (header(uid=b"-000001\0") + END, "not a number"),
    "octal with an 8": (header(mode=b"0000648\0") + END, "not a number"),
    "octal with underscores": (header(uid=b"1_0\0\0\0\0\0") + END, "not a number"),
    "uid over 2^32-1": (header(uid=base256(1 << 32)) + END, "'file': uid out of range: 4294967296"),
    "uid that means nobody": (header(uid=base256((1 << 32) - 1)) + END, "uid out of range"),
    "negative gid": (header(gid=base256(-1)) + END, "gid out of range: -1"),
    "uid over 2^32-1 in PAX": (pax(uid=b"4294967296") + header() + END, "uid out of range"),
    "negative size in PAX": (pax(size=b"-1") + header() + END, "size out of range"),
    "time that is none": (pax(mtime=b"1e9") + header() + END, "not a time"),
    "time out of range": (pax(mtime=b"9" * 18) + header() + END, "mtime out of range"),
    "device number too large": (header(kind=b"3", major=octal(4096)) + END, "major out of range"),
    "directory with data": (directory(b"d/", size=octal(1, 12)) + bytes(512) + END, "not a regular file"),
    "hard link with data": (
        file(b"a", b"1") + header(b"b", b"1", link=b"a", size=octal(1, 12)) + bytes(512) + END,
        "'b': data on what is not a regular file",
    ),
    "size of all ones": (header(size=b"\xbf" + b"\xff" * 11) + END, "size out of range"),
    "size in PAX beyond the data": (pax(size=b"4096") + file(b"a", b"1") + END[:512], "data is cut short"),
    "size in PAX beyond the limit": (pax(size=b"9" * 19) + header() + END, "size out of range"),
    "size in PAX that is no number": (pax(size=b"0x10") + header() + END, "not a number"),
    "size in PAX with a space": (pax(size=b" 1") + header() + END, "not a number"),
    "size in PAX of 5000 digits": (pax(size=b"1" * 5000) + header() + END, "not a number"),
    "uid in PAX with a fraction": (pax(uid=b"1.5") + header() + END, "not a number"),
    "negative mode": (header(mode=base256(-1)) + END, "mode out of range"),
    "negative device number": (header(kind=b"4", minor=base256(-1)) + END, "minor out of range"),
    "symlink with data": (
        header(b"l", b"2", link=b"a", size=octal(1, 12)) + bytes(512) + END,
        "'l': data on what is not a regular file",
    ),
    "device with data": (header(b"c", b"3", size=octal(1, 12)) + bytes(512) + END, "not a regular file"),
    "fifo with data": (header(b"p", b"6", size=octal(1, 12)) + bytes(512) + END, "not a regular file"),
    # Names
    "dot dot alone": (directory(b"..") + END, "'..' in a name"),
    "dot dot behind slashes": (file(b"///..///etc/passwd") + END, "'..' in a name"),
    "dot dot by a GNU name": (extended(b"L", b"../evil\0") + file(b"a") + END, "'..' in a name"),
    "dot dot by PAX over a GNU name": (
        extended(b"L", b"good\0") + pax(path=b"../evil") + file(b"a") + END,
        "'..' in a name",
    ),
    "NUL in a prefix": (file(b"a", prefix=b"x\0y") + END, "NUL in a name"),
    "component too long by prefix": (
        file(b"n" * 100, prefix=b"d/" + b"n" * 150 + b"/..") + END,
        "'..' in a name",
    ),
    "dot dot": (file(b"../evil") + END, "'../evil': '..' in a name"),
    "dot dot in the middle": (file(b"a/../../evil") + END, "'..' in a name"),
    "dot dot by prefix": (file(b"evil", prefix=b"..") + END, "'..' in a name"),
    "dot dot by PAX": (pax(path=b"a/../b") + file(b"a") + END, "'..' in a name"),
    "NUL in a name": (file(b"a\0b") + END, "NUL in a name"),
    "NUL in a PAX name": (pax(path=b"a\0b") + file(b"a") + END, "NUL in a name"),
    "NUL in a GNU name": (extended(b"L", b"a\0b\0") + file(b"a") + END, "NUL in a name"),
    "NUL in a link": (pax(linkpath=b"a\0b") + symlink(b"l", b"a") + END, "holds a NUL"),
    "empty name": (file(b"") + END, "empty name"),
    "the root as a file": (file(b"./") + END, "a slash at the end"),
    "the root as a link": (symlink(b".", b"/etc") + END, "the root must be a directory"),
    "name too long": (pax(path=b"n" * 256) + file(b"a") + END, "name too long"),
    "path too long": (pax(path=b"/".join([b"n" * 99] * 41)) + file(b"a") + END, "name too long"),
    "too deep": (pax(path=b"d/" * 256 + b"f") + file(b"a") + END, "deeper than 256"),
    "file with a slash": (file(b"a/") + END, "a slash at the end"),
    "symlink to nothing": (symlink(b"l", b"") + END, "symbolic link's target is empty"),
    # PAX and GNU
    "two GNU names": (
        extended(b"L", b"one\0") + extended(b"L", b"two\0") + file(b"a") + END,
        "two long names for one entry",
    ),
    "two GNU links": (
        extended(b"K", b"one\0") + extended(b"K", b"two\0") + symlink(b"l", b"a") + END,
        "two long names for one entry",
    ),
    "GNU name and nothing else": (extended(b"L", b"name\0") + END, "ends after an extended header"),
    "empty GNU name": (extended(b"L", b"\0") + file(b"") + END, "empty name"),
    "GNU link out of the root": (
        extended(b"K", b"../../etc\0") + hardlink(b"l", b"a") + END,
        "'..' in a name",
    ),
    "PAX link out of the root": (
        pax(linkpath=b"/../etc/passwd") + hardlink(b"l", b"a") + END,
        "'..' in a name",
    ),
    "global size": (extended(b"g", record(b"size", b"0")) + file(b"a", b"1") + END, "global PAX header"),
    "global link": (
        extended(b"g", record(b"linkpath", b"x")) + symlink(b"l", b"a") + END,
        "global PAX header",
    ),
    "global xattr": (
        extended(b"g", record(b"SCHILY.xattr.security.capability", b"x")) + file(b"a") + END,
        "global PAX header",
    ),
    "global PAX header over 1 MiB": (
        header(b"g", b"g", size=octal(1 << 21, 12)) + END,
        "extended header of 2097152",
    ),
    "PAX record with a leading zero": (pax_raw(b"010 path=a\n") + file(b"a") + END, "broken record"),
    "PAX record of negative length": (pax_raw(b"-9 path=a\n") + file(b"a") + END, "broken record"),
    "PAX record of huge length": (pax_raw(b"9" * 40 + b" path=a\n") + file(b"a") + END, "broken record"),
    "PAX record without a newline": (pax_raw(b"9 path=ab") + file(b"a") + END, "broken record"),
    "rubbish behind PAX records": (
        pax_raw(record(b"uid", b"1") + b"\0\0") + file(b"a") + END,
        "broken record",
    ),
    "NUL in a PAX key": (
        pax_raw(record(b"SCHILY.xattr.user.a\0", b"x")) + file(b"a") + END,
        "NUL in the name",
    ),
    "PAX sparse name": (pax_raw(record(b"GNU.sparse.name", b"x")) + file(b"a") + END, "sparse files"),
    "PAX header over 1 MiB": (pax(comment=b"x" * (1 << 20)) + file(b"a") + END, "extended header of 1048"),
    "GNU name over 1 MiB": (
        extended(b"L", b"x" * (1 << 21)) + file(b"a") + END,
        "extended header of 2097152",
    ),
    "PAX header with negative size": (header(kind=b"x", size=base256(-1, 12)) + END, "extended header of -1"),
    "cut PAX header": (pax(path=b"n" * 600)[:700], "extended header is cut short"),
    "PAX header and nothing else": (pax(path=b"a") + END, "ends after an extended header"),
    "two PAX headers": (pax(uid=b"1") + pax(path=b"b") + file(b"a") + END, "two PAX headers"),
    "global PAX header": (extended(b"g", record(b"path", b"x")) + file(b"a") + END, "global PAX header"),
    "PAX record too long": (pax_raw(b"99 path=a\n") + file(b"a") + END, "broken record"),
    "PAX record too short": (pax_raw(b"5 path=a\n") + file(b"a") + END, "broken record"),
    "PAX record of length 0": (pax_raw(b"0 path=a\n") + file(b"a") + END, "broken record"),
    "PAX record without =": (pax_raw(b"7 path\n") + file(b"a") + END, "broken record"),
    "PAX record without a key": (pax_raw(b"5 =a\n") + file(b"a") + END, "broken record"),
    "PAX sparse file": (pax_raw(record(b"GNU.sparse.major", b"1")) + file(b"a") + END, "sparse files"),
    "PAX sparse file of the form 0.0": (
        pax_raw(
            record(b"GNU.sparse.size", b"10")
            + record(b"GNU.sparse.numblocks", b"1")
            + record(b"GNU.sparse.offset", b"0")
            + record(b"GNU.sparse.numbytes", b"1")
        )
        + file(b"a", b"1")
        + END,
        "sparse files",
    ),
    "PAX sparse file of the form 0.1": (
        pax_raw(record(b"GNU.sparse.map", b"0,1,9,1")) + file(b"a", b"12") + END,
        "sparse files",
    ),
    "PAX sparse file of the form 1.0": (
        pax_raw(
            record(b"GNU.sparse.major", b"1")
            + record(b"GNU.sparse.minor", b"0")
            + record(b"GNU.sparse.name", b"../evil")
            + record(b"GNU.sparse.realsize", b"1000000000000")
        )
        + file(b"GNUSparseFile.0/a", b"1\n0\n1\n".ljust(512, b"\0") + b"x")
        + END,
        "sparse files",
    ),
    "star's sparse file": (
        pax_raw(record(b"SCHILY.realsize", b"1000000")) + file(b"a", b"1") + END,
        "sparse files",
    ),
    "global sparse file": (
        extended(b"g", record(b"GNU.sparse.major", b"1")) + file(b"a") + END,
        "sparse files",
    ),
    "unknown hdrcharset": (pax(hdrcharset=b"EBCDIC") + file(b"a") + END, "unknown hdrcharset"),
    "xattr without a name": (pax_raw(record(b"SCHILY.xattr.", b"x")) + file(b"a") + END, "attribute's name"),
    "xattr in no namespace": (
        pax_raw(record(b"SCHILY.xattr." + b"user." + b"n" * 251, b"x")) + file(b"a") + END,
        "attribute's name is empty or too long",
    ),
    "xattr too large": (
        pax_raw(record(b"SCHILY.xattr.user.big", b"x" * 70000)) + file(b"a") + END,
        "'a': extended attribute 'user.big'",
    ),
    # Links
    "hard link to what comes later": (
        hardlink(b"l", b"a") + file(b"a", b"1") + END,
        "'l': hard link to 'a', which is no file",
    ),
    "hard link through a symlink to dot dot": (
        symlink(b"s", b"../..") + hardlink(b"l", b"s/etc/passwd") + END,
        "hard link to 'etc/passwd', which is no file",
    ),
    "hard link through a symlink circle": (
        symlink(b"s", b"s") + hardlink(b"l", b"s/a") + END,
        "'l': too many symbolic links",
    ),
    "hard link through a file": (file(b"a") + hardlink(b"l", b"a/b") + END, "'a/b', which is no file"),
    "hard link without a target": (hardlink(b"l", b"") + END, "hard link target '': empty name"),
    "41 symlinks": (
        b"".join(symlink(b"s%d" % n, b"s%d" % (n + 1)) for n in range(41)) + file(b"s0/f") + END,
        "'s0/f': too many symbolic links",
    ),
    "symlink that doubles": (
        b"".join(symlink(b"s%d" % n, b"s%d/../s%d" % (n + 1, n + 1)) for n in range(30))
        + file(b"s0/f")
        + END,
        "'s0/f': too many symbolic links",
    ),
    "entries through long ways round by symlinks": (
        directory(b"d")
        + b"".join(
            pax(linkpath=b"d/../" * 700 + b"s%d" % (number + 1)) + symlink(b"s%d" % number, b"-")
            for number in range(39)
        )
        + b"".join(file(b"s0/f%d" % number) for number in range(30))
        + END,
        "too many symbolic links, and too long ones",
    ),
    "hard links through long ways round by symlinks": (
        directory(b"d")
        + b"".join(
            pax(linkpath=b"d/../" * 700 + b"s%d" % (number + 1)) + symlink(b"s%d" % number, b"-")
            for number in range(39)
        )
        + file(b"s39/f")
        + b"".join(hardlink(b"h%d" % number, b"s0/f") for number in range(30))
        + END,
        "too many symbolic links, and too long ones",
    ),
    "symlink to 4096 bytes": (pax(linkpath=b"t" * 4096) + symlink(b"l", b"-") + END, "empty, too long"),
    "hard link out of the root": (hardlink(b"l", b"../../etc/passwd") + END, "'..' in a name"),
    "hard link to nothing": (
        hardlink(b"l", b"etc/passwd") + END,
        "hard link to 'etc/passwd', which is no file",
    ),
    "hard link to an absolute path": (hardlink(b"l", b"/etc/passwd") + END, "hard link to 'etc/passwd'"),
    "hard link through a symlink": (
        symlink(b"s", b"/etc") + hardlink(b"l", b"s/passwd") + END,
        "hard link to 'etc/passwd', which is no file",
    ),
    "hard link to a directory": (directory(b"d") + hardlink(b"l", b"d") + END, "hard link to the directory"),
    "hard link to the root": (hardlink(b"l", b"./") + END, "hard link to the root"),
    "hard link to itself": (hardlink(b"l", b"l") + END, "hard link to 'l', which is no file"),
    "hard link to a whiteout": (file(b".wh.a") + hardlink(b"l", b".wh.a") + END, "hard link to the whiteout"),
    "symlinks in a circle": (
        symlink(b"a", b"b") + symlink(b"b", b"a") + file(b"a/x") + END,
        "'a/x': too many symbolic links",
    ),
    "symlink to an endless name": (
        symlink(b"s", b"n" * 100) + pax(linkpath=b"n" * 300) + symlink(b"t", b"-") + file(b"t/x") + END,
        "'t/x': leads to a name that is too long",
    ),
    # Whiteouts
    "bare whiteout": (file(b"a/.wh.") + END, "a whiteout without a name"),
    "whiteout of .": (file(b".wh..") + END, "a whiteout without a name"),
    "whiteout of ..": (file(b".wh...") + END, "a whiteout without a name"),
    "whiteout that is a directory": (directory(b".wh.a") + END, "a whiteout that is not a regular file"),
    "whiteout that is a symlink": (symlink(b".wh.a", b"/") + END, "a whiteout that is not a regular file"),
    "opaque mark that is a directory": (directory(b".wh..wh..opq") + END, "whiteout that is not a regular"),
    "whiteout as a parent": (file(b".wh.a/b") + END, "a whiteout is no directory"),
    "opaque mark as a parent": (file(b".wh..wh..opq/b") + END, "a whiteout is no directory"),
    "whiteout as a parent by symlink": (
        symlink(b"s", b".wh.a") + file(b"s/b") + END,
        "a whiteout is no directory",
    ),
    "whiteout with a slash": (file(b".wh.a/") + END, "a slash at the end"),
    "whiteout without a name, among AuFS's": (file(b".wh..wh.") + END, "a whiteout without a name"),
    "whiteout that is a device": (header(b".wh.a", b"3") + END, "a whiteout that is not a regular file"),
    "hard link to an opaque mark": (
        file(b".wh..wh..opq") + hardlink(b"a", b".wh..wh..opq") + END,
        "hard link to the whiteout",
    ),
    # Duplicates
    "the root twice": (directory(b".") + directory(b"./") + END, "'': comes more than once"),
    "hard link over its own target": (file(b"a", b"1") + hardlink(b"a", b"a") + END, "comes more than once"),
    "opaque mark twice": (file(b".wh..wh..opq") * 2 + END, "comes more than once"),
    "file twice": (file(b"a", b"1") + file(b"a", b"2") + END, "'a': comes more than once"),
    "directory twice": (directory(b"d") + directory(b"d/") + END, "'d': comes more than once"),
    "file and directory": (file(b"a") + directory(b"a") + END, "'a': comes more than once"),
    "twice under two spellings": (file(b"a/b") + file(b"/./a//b") + END, "comes more than once"),
    "twice through a symlink": (
        symlink(b"s", b"d") + file(b"d/f") + file(b"s/f") + END,
        "'s/f': comes more than once",
    ),
    "symlink turned into a directory": (symlink(b"s", b"/etc") + directory(b"s") + END, "more than once"),
    "whiteout twice": (file(b".wh.a") + file(b".wh.a") + END, "comes more than once"),
}

UNPACKED: dict[str, tuple[bytes, Tree]] = {
    "nothing at all": (b"", {}),
    "only the end": (END, {}),
    "no end": (file(b"a", b"1"), {b"a": "f 1"}),
    "zeros after the end": (file(b"a", b"1") + END * 20, {b"a": "f 1"}),
    "absolute name": (file(b"/etc/passwd", b"x") + END, {b"etc": "d", b"etc/passwd": "f x"}),
    "dots and slashes": (file(b".//a/./b", b"x") + END, {b"a": "d", b"a/b": "f x"}),
    "v7 header": (header(magic=b"", kind=b"\0") + END, {b"file": "f "}),
    "v7 directory": (header(b"d/", magic=b"", kind=b"\0") + END, {b"d": "d"}),
    "contiguous file": (file(b"a", b"1", kind=b"7") + END, {b"a": "f 1"}),
    "prefix": (file(b"b", b"1", prefix=b"a") + END, {b"a": "d", b"a/b": "f 1"}),
    "no prefix in GNU's form": (
        file(b"b", b"1", prefix=b"12345670000", magic=b"ustar  \0") + END,
        {b"b": "f 1"},
    ),
    "GNU long name": (extended(b"L", b"n" * 120 + b"\0") + file(b"cut", b"1") + END, {b"n" * 120: "f 1"}),
    "GNU long link": (
        extended(b"K", b"t" * 120 + b"\0") + symlink(b"l", b"t") + END,
        {b"l": "l " + "t" * 120},
    ),
    "base-256 size": (file(b"a", b"1", size=base256(1, 12)) + END, {b"a": "f 1"}),
    "size in PAX": (pax(size=b"3") + header(b"a") + b"abc".ljust(512, b"\0") + END, {b"a": "f abc"}),
    "PAX records without a value": (
        pax_raw(record(b"path", b"") + record(b"size", b"") + record(b"uid", b"") + record(b"mtime", b""))
        + file(b"a", b"1")
        + END,
        {b"a": "f 1"},
    ),
    "PAX record twice": (
        pax_raw(record(b"path", b"first") + record(b"path", b"second")) + file(b"a", b"1") + END,
        {b"second": "f 1"},
    ),
    "global comment": (extended(b"g", record(b"comment", b"hash")) + file(b"a") + END, {b"a": "f "}),
    "name that is not UTF-8": (file(b"\xff\xfe", b"1") + END, {b"\xff\xfe": "f 1"}),
    "newline in a name": (file(b"a\nb", b"1") + END, {b"a\nb": "f 1"}),
    "parent through a symlink": (
        directory(b"d") + symlink(b"s", b"d") + file(b"s/f", b"1") + END,
        {b"d": "d", b"s": "l d", b"d/f": "f 1"},
    ),
    "parent through an absolute symlink": (
        symlink(b"s", b"/tmp/escape") + file(b"s/f", b"1") + END,
        {b"s": "l /tmp/escape", b"tmp": "d", b"tmp/escape": "d", b"tmp/escape/f": "f 1"},
    ),
    "parent through a symlink out of the root": (
        symlink(b"s", b"../../../tmp/escape") + file(b"s/f", b"1") + END,
        {b"s": "l ../../../tmp/escape", b"tmp": "d", b"tmp/escape": "d", b"tmp/escape/f": "f 1"},
    ),
    "symlink to .. and back": (
        directory(b"a") + symlink(b"a/up", b"../..") + file(b"a/up/f", b"1") + END,
        {b"a": "d", b"a/up": "l ../..", b"f": "f 1"},
    ),
    "hard link": (file(b"a", b"1") + hardlink(b"b", b"a") + END, {b"a": "f 1", b"b": "f 1"}),
    "hard link by an absolute name": (
        file(b"a", b"1") + hardlink(b"b", b"/a") + END,
        {b"a": "f 1", b"b": "f 1"},
    ),
    "hard link to a symlink": (
        symlink(b"s", b"/etc/passwd") + hardlink(b"l", b"s") + END,
        {b"s": "l /etc/passwd", b"l": "l /etc/passwd"},
    ),
    "whiteout after its file": (file(b"a", b"1") + file(b".wh.a") + END, {b"a": "f 1", b".wh.a": "f "}),
    "whiteout before its file": (file(b".wh.a") + file(b"a", b"1") + END, {b"a": "f 1", b".wh.a": "f "}),
    "whiteout with data": (file(b".wh.a", b"data") + file(b"b", b"1") + END, {b".wh.a": "f ", b"b": "f 1"}),
    "whiteout that is a hard link": (
        file(b".wh..wh.aufs") + hardlink(b".wh.a", b".wh..wh.aufs") + END,
        {b".wh..wh.aufs": "f ", b".wh.a": "f "},
    ),
    "link through AuFS's own directory": (
        directory(b".wh..wh.plnk") + file(b".wh..wh.plnk/1", b"x") + hardlink(b"a", b".wh..wh.plnk/1") + END,
        {b".wh..wh.plnk": "d", b".wh..wh.plnk/1": "f x", b"a": "f x"},
    ),
    "opaque mark last": (
        directory(b"d") + file(b"d/f", b"1") + file(b"d/.wh..wh..opq") + END,
        {b"d": "d", b"d/f": "f 1", b"d/.wh..wh..opq": "f "},
    ),
    "file where a directory is needed": (
        file(b"a", b"1") + file(b"a/b", b"2") + END,
        {b"a": "d", b"a/b": "f 2"},
    ),
    "file after its directory was needed": (
        file(b"a/b", b"2") + file(b"a", b"1") + END,
        {b"a": "d", b"a/b": "f 2"},
    ),
    "directory after its entries": (
        file(b"a/b", b"2") + directory(b"a") + END,
        {b"a": "d", b"a/b": "f 2"},
    ),
    "name that fills its field": (file(b"n" * 100, b"1") + END, {b"n" * 100: "f 1"}),
    "prefix that fills its field": (
        file(b"n", b"1", prefix=b"p" * 155) + END,
        {b"p" * 155: "d", b"p" * 155 + b"/n": "f 1"},
    ),
    "spaces before octal": (file(b"a", b"1", mode=b"   644 \0", uid=b"     0 \0") + END, {b"a": "f 1"}),
    "time before 1970": (file(b"a", b"1", mtime=base256(-5, 12)) + END, {b"a": "f 1"}),
    "empty PAX header": (pax_raw(b"") + file(b"a", b"1") + END, {b"a": "f 1"}),
    "PAX over GNU's name": (
        extended(b"L", b"gnu\0") + pax(path=b"pax") + file(b"a", b"1") + END,
        {b"pax": "f 1"},
    ),
    "GNU name and link": (
        extended(b"K", b"t" * 120 + b"\0") + extended(b"L", b"n" * 120 + b"\0") + symlink(b"l", b"t") + END,
        {b"n" * 120: "l " + "t" * 120},
    ),
    "names that look like options and dots": (
        file(b"-rf") + file(b"...") + file(b"..a") + file(b"a..") + file(b" ") + END,
        {b"-rf": "f ", b"...": "f ", b"..a": "f ", b"a..": "f ", b" ": "f "},
    ),
    "name that only ends in a mark": (
        file(b"x.wh.a", b"1") + file(b"wh.a") + END,
        {b"x.wh.a": "f 1", b"wh.a": "f "},
    ),
    "whiteouts of everything": (
        file(b".wh..wh..opq") + file(b".wh.etc") + file(b".wh.usr") + file(b"usr/.wh..wh..opq") + END,
        {b".wh..wh..opq": "f ", b".wh.etc": "f ", b".wh.usr": "f ", b"usr": "d", b"usr/.wh..wh..opq": "f "},
    ),
    "whiteout of a name that is not UTF-8": (file(b".wh.\xff") + END, {b".wh.\xff": "f "}),
    "parent through a symlink to the root": (
        symlink(b"s", b"/") + file(b"s/f", b"1") + END,
        {b"s": "l /", b"f": "f 1"},
    ),
    "parent through a symlink to itself's directory": (
        symlink(b"s", b".") + file(b"s/s/s/f", b"1") + END,
        {b"s": "l .", b"f": "f 1"},
    ),
    "hard link through a symlink within the root": (
        file(b"d/f", b"1") + symlink(b"s", b"../../d") + hardlink(b"l", b"s/f") + END,
        {b"d": "d", b"d/f": "f 1", b"s": "l ../../d", b"l": "f 1"},
    ),
    "hard link to a hard link": (
        file(b"a", b"1") + hardlink(b"b", b"a") + hardlink(b"c", b"b") + END,
        {b"a": "f 1", b"b": "f 1", b"c": "f 1"},
    ),
    "hard link to a fifo": (header(b"p", b"6") + hardlink(b"q", b"p") + END, {b"p": "fifo", b"q": "fifo"}),
    "40 symlinks": (
        b"".join(symlink(b"s%d" % n, b"s%d" % (n + 1)) for n in range(39)) + file(b"s0/f", b"1") + END,
        {b"s%d" % n: f"l s{n + 1}" for n in range(39)} | {b"s39": "d", b"s39/f": "f 1"},
    ),
    "overlayfs's marks": (
        pax_raw(record(b"SCHILY.xattr.trusted.overlay.redirect", b"/etc"))
        + directory(b"d")
        + pax_raw(record(b"SCHILY.xattr.user.overlay.whiteout", b""))
        + file(b"w")
        + END,
        {b"d": "d", b"w": "f "},
    ),
    "device 0:0": (header(b"c", b"3") + END, {b"c": "char"}),
    "fifo": (header(b"p", b"6") + END, {b"p": "fifo"}),
}
