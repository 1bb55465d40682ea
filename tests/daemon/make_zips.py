#!/usr/bin/env python3
"""make_zips.py DATA - zip files for the tests of src/daemon/artifacts, in DATA/buckets/good and DATA/buckets/bad.

The hostile ones are put together byte by byte, since no library would write them."""

import io
import os
import pathlib
import stat
import struct
import sys
import zipfile
import zlib

DATA = pathlib.Path(sys.argv[1])

# ---- zip files by the library ----


def info(name, mode=0o100644, when=(2024, 2, 29, 12, 30, 42)):
    result = zipfile.ZipInfo(name, when)
    result.create_system = 3
    result.external_attr = mode << 16
    result.compress_type = zipfile.ZIP_DEFLATED
    return result


class Pipe(io.RawIOBase):
    """A file that cannot seek: sizes go into data descriptors."""

    def __init__(self, path):
        self.file = open(path, "wb")

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)

    def close(self):
        self.file.close()
        super().close()


def good_zips(folder):
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "agent.zip", "w") as z:
        z.writestr(info("main.py"), "print('hello')\n")
        z.writestr(info("bin/tool", 0o104755), "#!/bin/sh\n" * 2000)
        z.writestr(info("empty/", 0o040755), "")
        z.writestr(info("pkg/__init__.py", 0o100600), "")
        z.writestr(info("pkg/data/caf\u00e9.txt"), "au lait\n")
        z.writestr(info("current", 0o120777), "pkg/data")
        z.writestr(info("pkg/data/up", 0o120777), "../../main.py")
    with zipfile.ZipFile(folder / "stored.zip", "w", zipfile.ZIP_STORED) as z:
        z.writestr("main.py", "x = 1\n")
        z.writestr("sub/other.py", "y = 2\n")
        z.comment = b"a comment, PK\5\6 too"
    with zipfile.ZipFile(folder / "zip64.zip", "w", zipfile.ZIP_DEFLATED) as z:
        with z.open(info("main.py"), "w", force_zip64=True) as f:
            f.write(b"x = 64\n" * 1000)
    with zipfile.ZipFile(Pipe(folder / "descriptors.zip"), "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("main.py", "x = 3\n" * 1000)
        z.writestr("two.py", "x = 4\n")
    plain = (folder / "stored.zip").read_bytes()
    (folder / "prefixed.zip").write_bytes(b"#!/usr/bin/env python3\n" + plain)
    with zipfile.ZipFile(folder / "dots.zip", "w") as z:
        z.writestr("./main.py", "x = 5\n")
        z.writestr("a//b/./c.py", "x = 6\n")
        z.writestr("./", "")
    with zipfile.ZipFile(folder / "case.zip", "w") as z:
        z.writestr("main.py", "")
        z.writestr("Main.py", "1")
        z.writestr("pkg/x", "")
        z.writestr(info("Link", 0o120777), "pkg")
        z.writestr("link/x", "")
    with zipfile.ZipFile(folder / "many.zip", "w") as z:
        for i in range(300):
            z.writestr(f"d{i % 7}/f{i}.py", f"x = {i}\n" * (i + 1))
    with zipfile.ZipFile(folder / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("main.py", "")
        z.writestr("zeros", bytes(48 << 20))  # a thousand times its size, but below what the ratio counts
    with zipfile.ZipFile(folder / "none.zip", "w"):
        pass


# ---- zip files by hand ----


class Entry:
    def __init__(self, name, data=b"x\n", mode=0o100644, **more):
        self.name = name.encode() if isinstance(name, str) else name
        self.data, self.mode = data, mode
        self.method = more.pop("method", 0)
        self.flags = more.pop("flags", 0)
        self.packed = more.pop("packed", self.compress())
        self.size = more.pop("size", len(data))
        self.packed_size = more.pop("packed_size", len(self.packed))
        self.crc = more.pop("crc", zlib.crc32(data))
        self.local_name = more.pop("local_name", self.name)
        self.local_method = more.pop("local_method", self.method)
        self.at = more.pop("at", None)
        self.central_extra = more.pop("extra", b"")
        assert not more, more

    def compress(self):
        if self.method != 8:
            return self.data
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        return z.compress(self.data) + z.flush()


def raw_zip(entries, count=None, directory_bytes=None, directory_at=None, disk=0, tail=b""):
    out, directory = b"", b""
    for e in entries:
        at = e.at if e.at is not None else len(out)
        packed, size = e.packed_size & 0xFFFFFFFF, e.size & 0xFFFFFFFF
        if e.at is None:
            out += struct.pack("<4s5H3I2H", b"PK\3\4", 20, e.flags, e.local_method, 0, 0x21, e.crc, len(e.packed), size,
                               len(e.local_name), 0) + e.local_name + e.packed
        directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 0x0314, 20, e.flags, e.method, 0, 0x21, e.crc, packed, size,
                                 len(e.name), len(e.central_extra), 0, 0, 0, e.mode << 16,
                                 at & 0xFFFFFFFF) + e.name + e.central_extra
    end = struct.pack("<4s4H2IH", b"PK\5\6", disk, disk, (count if count is not None else len(entries)) & 0xFFFF,
                      (count if count is not None else len(entries)) & 0xFFFF,
                      len(directory) if directory_bytes is None else directory_bytes,
                      len(out) if directory_at is None else directory_at, 0)
    return out + directory + tail + end


def zip64_tail(count, directory_bytes, directory_at):
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, directory_bytes, directory_at)
    return record + struct.pack("<4sIQI", b"PK\6\7", 0, (directory_at + directory_bytes) % (1 << 64), 1)


def zip64_size(size):
    return struct.pack("<HHQ", 1, 8, size)


def bad_zips(folder):
    folder.mkdir(parents=True)
    fine = Entry("main.py")
    zeros = bytes(80 << 20)
    cases = {
        "dotdot": [fine, Entry("../evil")],
        "dotdot-inside": [fine, Entry("a/../../evil")],
        "dotdot-harmless": [fine, Entry("a/../b")],
        "dotdot-only": [fine, Entry("..")],
        "absolute": [fine, Entry("/tmp/evil")],
        "backslash": [fine, Entry("..\\evil")],
        "backslash-inside": [fine, Entry("a\\b.py")],
        "drive": [fine, Entry("C:evil")],
        "nul": [fine, Entry(b"main.py\0.txt")],
        "newline": [fine, Entry("a\nb")],
        "not-utf8": [fine, Entry(b"caf\xe9")],
        "empty-name": [fine, Entry("")],
        "dot-file": [fine, Entry(".")],
        "link-absolute": [fine, Entry("l", b"/etc/passwd", 0o120777)],
        "link-above": [fine, Entry("a/l", b"../../x", 0o120777)],
        "link-climbs": [fine, Entry("d/l", b"..", 0o120777), Entry("m", b"d/l/../../etc", 0o120777)],
        "link-empty": [fine, Entry("l", b"", 0o120777)],
        "link-nul": [fine, Entry("l", b"main.py\0/../..", 0o120777)],
        "link-long": [fine, Entry("l", b"a/" * 3000, 0o120777)],
        "behind-link": [fine, Entry("d/x"), Entry("l", b"d", 0o120777), Entry("l/evil")],
        "behind-file": [fine, Entry("main.py/evil")],
        "link-over-directory": [fine, Entry("d/x"), Entry("d", b"..", 0o120777)],
        "fifo": [fine, Entry("f", b"", stat.S_IFIFO | 0o644)],
        "socket": [fine, Entry("f", b"", stat.S_IFSOCK | 0o644)],
        "device": [fine, Entry("f", b"", stat.S_IFCHR | 0o644)],
        "block-device": [fine, Entry("f", b"", stat.S_IFBLK | 0o644)],
        "duplicate": [fine, Entry("main.py", b"other")],
        "duplicate-by-dots": [fine, Entry("./main.py", b"other")],
        "file-and-directory": [fine, Entry("main.py/", b"", 0o040755)],
        "directory-with-content": [fine, Entry("d/", b"content", 0o040755)],
        "name-too-long": [fine, Entry("n" * 256)],
        "path-too-long": [fine, Entry("/".join(["n" * 200] * 21))],
        "too-deep": [fine, Entry("d/" * 300 + "f")],
        "encrypted": [fine, Entry("secret", flags=1)],
        "encrypted-strongly": [fine, Entry("secret", flags=0x41)],
        "method": [fine, Entry("b", method=12)],
        "crc": [fine, Entry("b", b"content", crc=1)],
        "crc-deflated": [fine, Entry("b", b"content", method=8, crc=1)],
        "larger-than-said": [fine, Entry("b", b"c" * 1000, method=8, size=10)],
        "smaller-than-said": [fine, Entry("b", b"c" * 1000, method=8, size=1001)],
        "two-sizes": [fine, Entry("b", b"c" * 1000, size=10)],
        "not-deflate": [fine, Entry("b", b"c" * 1000, method=8, packed=b"\xff" * 100)],
        "deflate-cut": [fine, Entry("b", os.urandom(1000), method=8, packed=zlib.compress(b"c" * 1000)[2:6])],
        "deflate-and-more": [fine, Entry("b", b"c", method=8, packed=Entry("b", b"c", method=8).packed + b"more")],
        "beyond": [fine, Entry("b", b"c" * 10, packed_size=5000, size=5000)],
        "header-elsewhere": [fine, Entry("b", at=5)],
        "header-beyond": [fine, Entry("b", at=0xFFFFFF00)],
        "other-name-in-header": [fine, Entry("good.py", local_name=b"evil.py")],
        "other-method-in-header": [fine, Entry("b", method=8, local_method=0)],
        "overlap": [Entry("main.py", os.urandom(4000))] + [Entry(f"f{i}", b"", at=0, packed_size=4000, size=4000)
                                                           for i in range(5)],
        "bomb": [fine, Entry("b", zeros, method=8)],
        "claims-too-much": [fine, Entry("b", b"", method=8, extra=zip64_size(1 << 40), size=0xFFFFFFFF)],
        "claims-nearly-all": [fine, Entry("b", b"", method=8, extra=zip64_size((1 << 64) - 1), size=0xFFFFFFFF)],
        "zip64-size-missing": [fine, Entry("b", b"", size=0xFFFFFFFF)],
    }
    for name, entries in cases.items():
        (folder / f"{name}.zip").write_bytes(raw_zip(entries))
    whole = raw_zip([fine, Entry("b", os.urandom(5000))])
    extra = {
        "empty": b"",
        "text": b"this is no zip file\n" * 10,
        "cut": whole[:-10],
        "cut-half": whole[: len(whole) // 2],
        "no-start": whole[3000:],
        "tail": whole + b"more",
        "count-more": raw_zip([fine], count=2),
        "count-fewer": raw_zip([fine, Entry("b")], count=1),
        "several-disks": raw_zip([fine], disk=1),
        "directory-beyond": raw_zip([fine], directory_at=1 << 30),
        "directory-large": raw_zip([fine], directory_bytes=1 << 30),
        "zip64-many": raw_zip([fine], tail=zip64_tail(1 << 40, 60, 0), count=0xFFFF, directory_bytes=0xFFFFFFFF),
        "zip64-large": raw_zip([fine], tail=zip64_tail(1, 1 << 62, 0)),
        "zip64-overflow": raw_zip([fine], tail=zip64_tail(1, 60, (1 << 64) - 30)),
        "directory-cut": raw_zip([fine], directory_bytes=20, count=1),
    }
    for name, data in extra.items():
        (folder / f"{name}.zip").write_bytes(data)


good_zips(DATA / "buckets/good")
bad_zips(DATA / "buckets/bad")
