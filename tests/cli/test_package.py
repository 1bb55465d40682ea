"""Images without Docker: what other tools make of them, whether they run, and whether they are the same again."""

import json
import os
import shutil
import subprocess
import tarfile
import unittest

from cli_harness import ABSENT, USAGE, CliCase, sanitized

SOURCE = '#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n' \
         'int main(int n, char **v) { printf("%.3f %s\\n", sin(atof(v[1])), getenv("DOCKER_CONTAINER")); return 0; }\n'


def need(test, *programs):
    for program in programs:
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            test.skipTest(f"there is no {program}")


def need_sandbox(test):
    """In a container or a chroot, namespaces may be out of reach."""
    need(test, "bwrap")
    tried = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True, text=True)
    if tried.returncode:
        test.skipTest(f"no sandbox can be made here: {tried.stderr.strip()}")


class Package(CliCase):
    def compile(self, compiler="gcc", name="program", *flags):
        need(self, compiler)
        self.write("program.c", SOURCE)
        subprocess.run([compiler, "program.c", "-o", name, "-lm", *flags], cwd=self.work, env=self.env, check=True)
        return name

    def unpack(self, layout, tag="latest"):
        """With umoci, as whoever we are: the root directory."""
        need(self, "umoci")
        bundle = self.folder / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        subprocess.run(["umoci", "unpack", *rootless, "--image", f"{layout}:{tag}", bundle], check=True,
                       capture_output=True)
        return bundle

    def run_inside(self, bundle, *command):
        """In the root alone, with the environment of the image."""
        need_sandbox(self)
        config = json.loads((bundle / "config.json").read_text())["process"]
        env = dict(item.split("=", 1) for item in config["env"])
        settings = [word for name, value in env.items() for word in ("--setenv", name, value)]
        return subprocess.run(["bwrap", "--bind", bundle / "rootfs", "/", "--unshare-all", "--clearenv", *settings,
                               "--chdir", config["cwd"], *(command or config["args"])],
                              capture_output=True, text=True, timeout=30)

    def inspect(self, reference, *options):
        need(self, "skopeo")
        done = subprocess.run(["skopeo", *options, "inspect", "--config", reference], capture_output=True, text=True,
                              check=True)
        return json.loads(done.stdout)

    def test_a_program(self):
        self.compile()
        made = self.ok("package", "./program", "--arg", "0.5", "-o", "image", "--json").json()
        config = self.inspect(f"oci:{self.work}/image:latest")
        self.assertEqual(config["config"]["Entrypoint"], ["/app/program", "0.5"])
        self.assertEqual(config["config"]["ExposedPorts"], {"8080/tcp": {}})
        self.assertEqual(config["config"]["User"], "1000:1000")
        self.assertEqual(config["config"]["Labels"], {"org.opencontainers.image.title": "program"})
        self.assertNotIn("created", config)
        self.assertEqual(made["platform"], f"linux/{config['architecture']}")
        bundle = self.unpack(self.work / "image")
        done = self.run_inside(bundle)
        self.assertEqual((done.returncode, done.stdout), (0, "0.479 1\n"), done)
        # Exactly what it needs: itself, two libraries, the loader, two small files.
        files = [p.name for p in (bundle / "rootfs").rglob("*") if p.is_file()]
        self.assertEqual(len(files), 6, files)
        for path in (bundle / "rootfs").rglob("*"):
            self.assertEqual(path.lstat().st_mtime, 0, path)

    def test_the_same_again(self):
        self.compile()
        first = self.ok("package", "./program", "-o", "one").out.split()[0]
        (self.work / "elsewhere").mkdir()
        shutil.copy(self.work / "program", self.work / "elsewhere/program")
        self.assertEqual(self.ok("package", "program", "-o", "two", cwd=self.work / "elsewhere").out.split()[0], first)
        self.assertEqual(self.ok("package", "./program", "-o", "three.tar").out.split()[0], first)
        self.assertNotEqual(self.ok("package", "./program", "--arg", "x", "-o", "one").out.split()[0], first)

    def test_tags_share_a_layout(self):
        self.compile()
        one = self.ok("package", "./program", "-o", "image", "-t", "v1").out.split()[0]
        two = self.ok("package", "./program", "-o", "image", "-t", "v2", "--arg", "x").out.split()[0]
        index = json.loads((self.work / "image/index.json").read_text())
        tags = {m["annotations"]["org.opencontainers.image.ref.name"]: m["digest"] for m in index["manifests"]}
        self.assertEqual(tags, {"v1": one, "v2": two})
        self.assertEqual(self.inspect(f"oci:{self.work}/image:v1")["config"]["Entrypoint"], ["/app/program"])
        # An image that took the place of another leaves nothing of it, when it is alone there.
        self.ok("package", "./program", "-o", "single")
        self.ok("package", "./program", "-o", "single", "--arg", "x")
        self.assertEqual(len(list((self.work / "single/blobs/sha256").iterdir())), 3)

    def test_tar(self):
        self.compile()
        self.ok("package", "./program", "-o", "image.tar")
        self.assertEqual(self.inspect(f"oci-archive:{self.work}/image.tar")["config"]["Entrypoint"], ["/app/program"])
        with tarfile.open(self.work / "image.tar") as tar:
            self.assertIn("oci-layout", tar.getnames())
        self.assertEqual(self.tree(self.work), ["image.tar", "program", "program.c"])

    def test_libraries_of_its_own(self):
        """Beside the program ($ORIGIN), and what these need."""
        need(self, "gcc")
        (self.work / "lib").mkdir()
        self.write("own.c", "int own(void) { return 42; }\n")
        self.write("main.c", '#include <stdio.h>\nint own(void);\n'
                             'int main(void) { printf("%d\\n", own()); return 0; }\n')
        run = lambda *words: subprocess.run(words, cwd=self.work, env=self.env, check=True)
        run("gcc", "-shared", "-fPIC", "own.c", "-o", "lib/libown.so.1", "-Wl,-soname,libown.so.1")
        for kind in ("--enable-new-dtags", "--disable-new-dtags"):
            run("gcc", "main.c", "lib/libown.so.1", "-o", "program", f"-Wl,-rpath,$ORIGIN/lib,{kind}")
            self.ok("package", "./program", "-o", "image")
            self.assertEqual(self.run_inside(self.unpack(self.work / "image")).stdout, "42\n")
        os.unlink(self.work / "lib/libown.so.1")
        self.fails(ABSENT, "package", "./program", says=r"\./program needs libown\.so\.1, which is not on this machine")

    def test_static_program(self):
        self.compile("gcc", "program", "-static")
        self.ok("package", "./program", "-o", "image", "--arg", "0")
        bundle = self.unpack(self.work / "image")
        self.assertEqual(self.run_inside(bundle).stdout, "0.000 1\n")
        self.assertFalse((bundle / "rootfs/lib").exists())

    def test_a_directory(self):
        self.compile()
        (self.work / "dist/bin").mkdir(parents=True)
        shutil.move(self.work / "program", self.work / "dist/bin/server")
        (self.work / "dist/data.txt").write_text("data")
        os.symlink("data.txt", self.work / "dist/link")
        self.fails(USAGE, "package", "dist", says="which program in dist is started")
        self.fails(ABSENT, "package", "dist", "--entrypoint", "bin/other", says="bin/other is no program in dist")
        self.write("more/deep/file", "more")
        self.ok("package", "dist", "--entrypoint", "bin/server", "--arg", "0", "--add", "more:/opt/more",
                "--add", "program.c:/app/program.c", "-o", "image")
        bundle = self.unpack(self.work / "image")
        self.assertEqual(self.run_inside(bundle).stdout, "0.000 1\n")
        root = bundle / "rootfs"
        self.assertEqual((root / "app/link").read_text(), "data")
        self.assertEqual((root / "opt/more/deep/file").read_text(), "more")
        self.assertTrue((root / "app/program.c").exists())

    @unittest.skipIf(sanitized(), "a project of its own cannot be built against a sanitizer's library")
    def test_the_project(self):
        self.ok("create", "hello")
        project = self.work / "hello"
        self.assertRegex(self.ok("package", cwd=project).out, r"^sha256:[0-9a-f]{64} build/hello.oci\n$")
        bundle = self.unpack(project / "build/hello.oci")
        self.assertEqual(self.inspect(f"oci:{project}/build/hello.oci:latest")["config"]["Entrypoint"], ["/app/hello"])
        need_sandbox(self)
        # Without a network of its own it cannot be asked; that it starts, it says.
        inside = ["bwrap", "--bind", bundle / "rootfs", "/", "--unshare-all", "/app/hello"]
        done = subprocess.run(["timeout", "2", *inside], capture_output=True, text=True)
        self.assertIn(done.returncode, (0, 124), done)  # ended by SIGTERM, in order

    def test_for_arm64(self):
        self.compile("aarch64-linux-gnu-gcc")
        made = self.ok("package", "./program", "-o", "image", "--json").json()
        self.assertEqual(made["platform"], "linux/arm64")
        config = self.inspect(f"oci:{self.work}/image:latest", "--override-arch", "arm64")
        self.assertEqual(config["architecture"], "arm64")
        root = self.unpack(self.work / "image") / "rootfs"
        for name in ("app/program", "lib/libc.so.6", "lib/libm.so.6", "lib/ld-linux-aarch64.so.1"):
            self.assertEqual((root / name).read_bytes()[18:20], b"\xb7\x00", name)  # e_machine
        self.fails(USAGE, "package", "./program", "--platform", "linux/amd64", says="is for linux/arm64")
        if shutil.which("qemu-aarch64"):
            command = ["qemu-aarch64", "-L", root, root / "app/program", "0.5"]
            done = subprocess.run(command, capture_output=True, text=True, env={"DOCKER_CONTAINER": "1"})
            self.assertTrue(done.stdout.startswith("0.479"), done)

    def test_a_project_for_arm64(self):
        need(self, "aarch64-linux-gnu-gcc", "meson")
        self.write("meson.build", "project('plain', 'c')\ncc = meson.get_compiler('c')\n"
                                  "executable('plain', 'program.c', dependencies: cc.find_library('m'))\n")
        self.write("program.c", SOURCE)
        made = self.ok("package", "--name", "plain", "--platform", "linux/arm64", "--json", "-o", "image").json()
        self.assertEqual(made["platform"], "linux/arm64")
        self.fails(1, "package", "--name", "plain", "--platform", "linux/vax", says="vax is no architecture")

    def test_what_is_no_program(self):
        self.write("script.sh", "#!/bin/sh\necho\n", 0o755)
        self.write("broken", "\x7fELF\x02\x01\x01" + "\x00" * 9 + "\x02\x00>\x00" + "\xff" * 44)
        self.fails(1, "package", "script.sh", says="script.sh: .*not an ELF file")
        self.fails(1, "package", "broken", says="broken: .*no program that can be packaged")
        self.fails(ABSENT, "package", "nothing", says="there is no file nothing")
        self.fails(USAGE, "package", "script.sh", "--platform", "windows/amd64", says="--platform takes linux/arm64")
        self.assertEqual(self.tree(self.work), ["broken", "script.sh"])
        self.compile()
        self.fails(USAGE, "package", "./program", "--add", "x", says="--add takes SOURCE:/PLACE")
        self.fails(ABSENT, "package", "./program", "--add", "x:/y", says="--add: there is no file x")
        self.fails(USAGE, "package", "./program", "-o", "", says="--output needs a path")

    def test_code(self):
        self.write("agent.py", "print()\n")
        self.write(".secret", "x")
        self.write("__pycache__/agent.pyc", "x")
        self.write("lib/part.py", "x = 1\n")
        self.write("packages/module.py", "y = 1\n")
        one = self.ok("package", "--name", "code", "--packages", "packages", "-o", "a.zip", "--json").json()
        two = self.ok("package", "--name", "code", "--packages", "packages", "-o", "b.zip", "--json").json()
        self.assertEqual(one["digest"], two["digest"])
        self.assertRegex(one["runtime"], r"^PYTHON_3_\d+$")
        names = subprocess.run(["python3", "-m", "zipfile", "-l", "a.zip"], cwd=self.work, env=self.env,
                               capture_output=True, text=True, check=True).stdout
        self.assertEqual([line.split()[0] for line in names.splitlines()[1:]],
                         ["agent.py", "lib/part.py", "module.py", "packages/module.py"])


if __name__ == "__main__":
    unittest.main()
