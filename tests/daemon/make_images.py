#!/usr/bin/env python3
"""make_images.py DATA - OCI image layouts for the tests of src/daemon/artifacts, in DATA/images.

They are written as JSON and bytes, so that digests, sizes and names are wrong exactly where they shall be."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import struct
import sys
import tarfile

DATA = pathlib.Path(sys.argv[1]).resolve()
OUTSIDE = str(DATA.parent)  # what changes there is noticed
MACHINE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}.get(os.uname().machine)
MACHINE = MACHINE or os.uname().machine
OTHER = "arm64" if MACHINE != "arm64" else "amd64"

def tar(entries, **more):
    """Entries: (name, bytes or None, {type, linkname, mode, size, pax_headers})."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=more.get("format", tarfile.PAX_FORMAT)) as t:
        for name, data, attributes in entries:
            item = tarfile.TarInfo(name)
            item.size = len(data or b"")
            item.mtime = 1700000000
            item.uid, item.gid = 4711, 4712
            for key, value in attributes.items():
                setattr(item, key, value)
            t.addfile(item, io.BytesIO(data or b""))
    return out.getvalue()


def file(name, data=b"x\n", mode=0o644, **more):
    return name, data, {"mode": mode, **more}


def folder_entry(name, mode=0o755):
    return name, None, {"type": tarfile.DIRTYPE, "mode": mode}


def link(name, target):
    return name, None, {"type": tarfile.SYMTYPE, "linkname": target, "mode": 0o777}


def hardlink(name, target):
    return name, None, {"type": tarfile.LNKTYPE, "linkname": target}


def special(name, kind):
    return name, None, {"type": kind, "devmajor": 1, "devminor": 3}


def zstd(data):
    """A frame of raw blocks (RFC 8878)."""
    out = struct.pack("<IBB", 0xFD2FB528, 0, 0x70)
    blocks = [data[i:i + 100000] for i in range(0, len(data), 100000)] or [b""]
    for i, block in enumerate(blocks):
        out += struct.pack("<I", len(block) << 3 | (i + 1 == len(blocks)))[:3] + block
    return out


OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
LAYER = OCI + "layer.v1.tar"


class Layout:
    def __init__(self, repository):
        self.path = DATA / "images" / repository
        (self.path / "blobs/sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []

    def blob(self, data, media_type):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def layer(self, data, packing="gzip", media_type=None):
        packed = {"gzip": lambda d: gzip.compress(d, 6, mtime=0), "zstd": zstd, "": lambda d: d}[packing](data)
        return self.blob(packed, media_type or LAYER + (packing and "+" + packing))

    def image(self, layers, config=None, docker=False, diff_ids=None, architecture=MACHINE, **more):
        """layers: (tar bytes, packing, media type or None)."""
        described = [self.layer(*layer) for layer in layers]
        ids = ["sha256:" + hashlib.sha256(layer[0]).hexdigest() for layer in layers]
        document = {"architecture": architecture, "os": "linux", "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": diff_ids or ids}}
        kind = DOCKER + "container.image.v1+json" if docker else OCI + "config.v1+json"
        manifest = {"schemaVersion": 2, "config": self.blob(document, more.get("config_type", kind)),
                    "layers": more.get("change", lambda d: d)(described)}
        kind = DOCKER + "distribution.manifest.v2+json" if docker else OCI + "manifest.v1+json"
        manifest["mediaType"] = kind
        return self.blob(manifest, kind)

    def index(self, entries):
        kind = OCI + "index.v1+json"
        return self.blob({"schemaVersion": 2, "mediaType": kind, "manifests": entries}, kind)

    def tag(self, descriptor, name=None, **annotations):
        entry = dict(descriptor)
        if name:
            annotations["org.opencontainers.image.ref.name"] = name
        if annotations:
            entry["annotations"] = {key.replace("__", "."): value for key, value in annotations.items()}
        self.manifests.append(entry)
        return self

    def done(self):
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.manifests}))


def on(architecture, descriptor, os_name="linux"):
    return {**descriptor, "platform": {"os": os_name, "architecture": architecture}}


ACCOUNTS = [
    folder_entry("etc"),
    file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nagent:x:1234:5678::/home:/bin/sh\nbroken:x:a:b\n"),
    file("etc/group", b"root:x:0:\nagents:x:5678:\nvideo:x:44:agent\n"),
]


def good_images():
    base = tar([
        folder_entry("./"), folder_entry("./bin"), file("./bin/sh", b"#!\n" * 1000, 0o4755), *ACCOUNTS,
        link("etc/mtab", "/proc/mounts"), link("usr/bin/python", "../../../../../../bin/sh"), link("lib", "usr/lib"),
        hardlink("bin/ash", "bin/sh"), hardlink("bin/link-to-mtab", "etc/mtab"),
        file("gone/a"), file("gone/b"), file("gone/deep/c"), file("opaque/old"), file("opaque/sub/old"),
        file("was-file"), file("was-dir/inside"), file("kept/file"), file("same", b"1\n"),
        file("shadow", b"s", 0o000), special("dev/null", tarfile.CHRTYPE), special("dev/sda", tarfile.BLKTYPE),
        special("run/fifo", tarfile.FIFOTYPE), file("na\u00efve/" + "long" * 40 + "/" + "name" * 30, b"utf8\n"),
        file("/absolute", b"a"), file("sticky", b"", 0o7777),
    ])
    second = tar([
        file("opaque/new"), file("opaque/sub/new"), file("opaque/.wh..wh..opq", b""), file("opaque/late"),
        file("gone/.wh.a", b""), file("gone/.wh.deep", b""), file("gone/.wh.never-was", b""),
        folder_entry("was-file"), file("was-file/now", b"dir\n"), file("was-dir", b"file\n"),
        file("same", b"2\n"), file("kept/other"), hardlink("kept/first", "kept/file"),
        file(".wh..wh.aufs", b""), file(".wh..wh.plnk/1.2", b""), file("link-target"), link("replaced", "/nowhere"),
        file("both/.wh.me", b""), file("both/me", b"new\n"),
    ])
    third = tar([file("replaced", b"a file\n"), file(".wh.link-target", b""), folder_entry("lib"), file("lib/x")])
    image = Layout("good/layers")
    config = {"Env": ["PATH=/bin", "A=b=c"], "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo"], "WorkingDir": "/srv",
              "User": "agent:video"}
    image.tag(image.image([(base, "gzip", None), (second, "", None), (third, "zstd", None)], config), "v1")
    for name, user in {"number": "77", "number-known": "1234", "pair": "77:88", "group": "77:agents", "name": "agent",
                       "root": ""}.items():
        image.tag(image.image([(base, "gzip", None)], {"User": user}), name)
    for name, user in {"no-user": "nobody", "no-group": "agent:wheel", "broken": "broken",
                       "huge": "4294967295"}.items():
        image.tag(image.image([(base, "gzip", None)], {"User": user}), "bad-" + name)
    image.done()

    small = tar([file("agent", b"#!\n", 0o755)])
    docker = Layout("team/docker")
    docker.tag(docker.image([(small, "gzip", DOCKER + "image.rootfs.diff.tar.gzip")], {"Cmd": ["/agent"]}, docker=True),
               io__containerd__image__name="docker.io/team/docker:1.2", org__opencontainers__image__ref__name="1.2")
    docker.tag(docker.image([(small, "", DOCKER + "image.rootfs.diff.tar")], docker=True),
               io__containerd__image__name="docker.io/team/docker:plain")
    docker.done()

    untagged = Layout("untagged")
    untagged.tag(untagged.image([(small, "gzip", None)], {"Cmd": None, "Env": None, "Entrypoint": None})).done()

    multi = Layout("multi")
    here, there = multi.image([(small, "gzip", None)]), multi.image([(tar([file("x")]), "", None)], architecture=OTHER)
    attestation = {**multi.image([(tar([file("y")]), "", None)]),
                   "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    inner = multi.index([on(OTHER, there), on(MACHINE, here), on("unknown", attestation, "unknown")])
    multi.tag(multi.index([inner]), "nested").tag(inner, "index")
    multi.tag(on(MACHINE, here), "flat").tag(on(OTHER, there), "flat")
    multi.tag(multi.index([on(OTHER, there)]), "other-index").tag(there, "other-config").tag(there, "same")
    multi.tag(multi.image([(small, "", None)]), "twice").tag(here, "twice").tag(here, "one").tag(here, "one")
    multi.done()
    (DATA / "digests.txt").write_text(f"{here['digest']}\n{inner['digest']}\n{there['digest']}\n")

    gnu = tar([file("g" * 90 + "/" + "h" * 150, b"long\n"), link("s" * 120, "t" * 150)],
              format=tarfile.GNU_FORMAT)
    formats = Layout("formats")
    formats.tag(formats.image([(gnu, "gzip", None)]), "gnu")
    formats.tag(formats.image([(tar([file("u")], format=tarfile.USTAR_FORMAT), "", None)]), "ustar")
    formats.tag(formats.image([(tar([]), "gzip", None)]), "empty")
    formats.tag(formats.image([(tar([file(b"caf\xe9".decode("latin1"), b"1")]).replace(b"caf\xc3\xa9", b"caf\xe9\xe9"),
                                "", None)]), "bytes")
    formats.tag(formats.image([(sparse(), "", None)]), "sparse")
    formats.done()


def sparse_file(body, size):
    """In GNU's format 1.0: body begins with the map of what is not a hole."""
    return tar([("GNUSparseFile.0/s", body, {"pax_headers": {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": str(size)}})])


def sparse():
    """Four bytes at 8192 of a file of 20000."""
    return sparse_file(b"1\n8192\n4\n".ljust(512, b"\0") + b"data", 20000)


def sparse_map_bomb():
    return sparse_file((b"4000000\n" + b"0\n" * 8000000).ljust(16000512, b"\0"), 20000)


def sparse_giant():
    return sparse_file(b"1\n0\n4\n".ljust(512, b"\0") + b"data", 1 << 50)


def bad_images():
    image = Layout("bad")
    fine = (tar([file("fine"), folder_entry("d")]), "gzip", None)

    def add(name, *layers, **more):
        image.tag(image.image(list(layers), **more), name)

    for name, entries in {
        "dotdot": [file("../evil")],
        "dotdot-inside": [file("d/../../evil")],
        "hardlink-out": [hardlink("h", "../../../../../../../etc/passwd")],
        "hardlink-missing": [hardlink("h", "not/there")],
        "hardlink-directory": [hardlink("h", "d")],
        "hardlink-root": [hardlink("h", ".")],
        "hardlink-behind-link": [link("l", "/etc"), hardlink("h", "l/passwd")],
        "behind-link-out": [link("l", OUTSIDE), file("l/evil")],
        "behind-link-above": [link("l", "../../.."), file("l/evil")],
        "behind-link-inside": [link("l", "d"), file("l/evil")],
        "behind-file": [file("fine/evil")],
        "directory-behind-link": [link("l", OUTSIDE), folder_entry("l/evil")],
        "whiteout-of-nothing": [file("d/.wh.", b"")],
        "whiteout-of-dots": [file("d/.wh...", b"")],
        "name-too-long": [file("n" * 256)],
        "too-deep": [file("d/" * 300 + "f")],
        "root-as-file": [file(".")],
    }.items():
        add(name, fine, (tar(entries), "gzip", None))
    add("whiteout-behind-link", fine, (tar([link("l", OUTSIDE)]), "", None),
        (tar([file("l/.wh.canary", b""), file("l/.wh..wh..opq", b"")]), "", None))
    add("sparse-map", (sparse_map_bomb(), "", None))
    add("sparse-giant", (sparse_giant(), "", None))
    add("bomb", (tar([file("b", bytes(80 << 20))]), "gzip", None))
    add("not-gzip", (fine[0], "", LAYER + "+gzip"))
    add("not-zstd", (fine[0], "", LAYER + "+zstd"))
    add("not-tar", (b"this is no tar file" * 100, "gzip", None))
    add("cut-tar", (tar([file("b", os.urandom(5000))])[:3000], "gzip", None))
    add("foreign", (fine[0], "gzip", DOCKER + "image.rootfs.foreign.diff.tar.gzip"))
    add("nondistributable", (fine[0], "gzip", OCI + "layer.nondistributable.v1.tar+gzip"))
    add("encrypted", (fine[0], "gzip", LAYER + "+gzip+encrypted"))
    add("unknown-type", (fine[0], "gzip", "application/x-cpio"))
    add("no-container", fine, config_type="application/vnd.cncf.helm.config.v1+json")
    add("wrong-diff-id", fine, diff_ids=["sha256:" + "0" * 64])
    add("fewer-diff-ids", fine, (tar([]), "", None), diff_ids=["sha256:" + "0" * 64])
    add("many-layers", *[(tar([file(f"f{i}")]), "", None) for i in range(129)])
    add("no-layers")
    add("env-no-list", fine, config={"Env": "A=b"})
    add("env-nul", fine, config={"Env": ["A=b\0c"]})
    add("cmd-numbers", fine, config={"Cmd": [1, 2]})
    add("bad-digest", fine, change=lambda d: [{**d[0], "digest": "sha256:../../../../etc/passwd"}])
    add("sha512", fine, change=lambda d: [{**d[0], "digest": "sha512:" + "0" * 128}])
    add("no-size", fine, change=lambda d: [{key: d[0][key] for key in ("digest", "mediaType")}])
    add("wrong-size", fine, change=lambda d: [{**d[0], "size": d[0]["size"] + 1}])
    add("missing-layer", fine, change=lambda d: [{**d[0], "digest": "sha256:" + "1" * 64}])
    entry = image.blob({"schemaVersion": 1}, OCI + "manifest.v1+json")
    image.tag(entry, "schema1").tag({**entry, "size": entry["size"] + 1}, "manifest-size")
    image.tag({**entry, "digest": "sha256:" + "2" * 64}, "manifest-missing")
    image.tag({**entry, "mediaType": DOCKER + "distribution.manifest.v1+prettyjws"}, "docker1")
    image.tag(image.blob(b"not json", OCI + "manifest.v1+json"), "no-json")
    image.tag(image.blob(b"[" * 5000, OCI + "manifest.v1+json"), "deep-json")
    image.tag(image.blob(b'{"a": "' + b"x" * (5 << 20) + b'"}', OCI + "manifest.v1+json"), "large-json")
    deep = image.image([fine])
    for _ in range(6):
        deep = image.index([deep])
    image.tag(deep, "deep-index").tag(image.index([]), "empty-index")

    # Blobs that are not what their names say.
    changed = image.image([(tar([file("changed")]), "gzip", None)])
    image.tag(changed, "changed-manifest")
    path = image.path / "blobs/sha256" / changed["digest"][7:]
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion": 3'))
    described = []
    image.tag(image.image([(tar([file("changed", os.urandom(20000))]), "gzip", None)],
                          change=lambda d: described.extend(d) or d), "changed-layer")
    path = image.path / "blobs/sha256" / described[0]["digest"][7:]
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(bytes(data))
    described.clear()
    image.tag(image.image([(tar([file("padded", os.urandom(2000))]), "", None)],
                          change=lambda d: described.extend(d) or d), "changed-tar")
    path = image.path / "blobs/sha256" / described[0]["digest"][7:]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # behind the end of the archive, where only the digest sees it
    path.write_bytes(bytes(data))
    image.done()

    for name in ("no-layout", "no-index", "version", "index-no-json", "index-fifo"):
        image = Layout("broken/" + name)
        image.tag(image.image([fine]), "latest").done()
    base = DATA / "images/broken"
    (base / "no-layout/oci-layout").unlink()
    (base / "no-index/index.json").unlink()
    (base / "version/oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    (base / "index-no-json/index.json").write_text("{")
    (base / "index-fifo/index.json").unlink()
    os.mkfifo(base / "index-fifo/index.json")


good_images()
bad_images()
