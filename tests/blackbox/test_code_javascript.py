"""JavaScript and TypeScript in the code interpreter, over signed HTTP."""

from code_harness import CodeCase, os, unittest

HAS_NODE = os.path.exists("/usr/bin/node")
HAS_ESBUILD = os.path.exists("/usr/bin/esbuild")
HAS_DENO = any(os.path.exists(f"{place}/deno") for place in ("/usr/bin", "/usr/local/bin"))


@unittest.skipUnless(HAS_NODE, "node is not installed")
class NodeCase(CodeCase):
    def js(self, s, code, language="javascript", **more):
        return s.run(code, language, runtime="nodejs", **more)


class Timeouts(NodeCase):
    options = ("--code-timeout", "2s")

    def test_timeout(self):
        s = self.session()
        self.js(s, "const kept = 1")
        for code in ("while (true) {}", "await new Promise(() => {})", "while (true) console.log('o'.repeat(5000))"):
            with self.subTest(code=code):
                r = self.js(s, code)
                self.assertEqual((r.error, r.code), (True, 124))
                self.assertIn("Interrupted", r.stderr)
                self.assertEqual(self.js(s, "kept").stdout, "1\n")


class JavaScript(NodeCase):
    def test_values(self):
        s = self.session()
        for code, shown in (("1 + 1", "2\n"), ("'a'", "'a'\n"), ("undefined", ""),
                            ("const a = {b: [1]}; a", "{ b: [ 1 ] }\n"),
                            ("console.log('x')", "x\n"), ("let z", ""), ("10n ** 20n", "100000000000000000000n\n"),
                            ("NaN", "NaN\n"), ("new Map([[1, 2]])", "Map(1) { 1 => 2 }\n")):
            with self.subTest(code=code):
                self.assertEqual(self.js(s, code).stdout, shown)

    def test_variables_stay_and_may_be_declared_again(self):
        s = self.session()
        self.js(s, "const x = 1; let y = 2; function f() { return x + y } class C {}")
        self.assertEqual(self.js(s, "f()").stdout, "3\n")
        self.assertEqual(self.js(s, "const x = 5; x").stdout, "5\n")
        self.assertTrue(self.js(s, "x", clearContext=True).error)

    def test_await_and_import(self):
        s = self.session()
        r = self.js(s, "import fs from 'fs';\nimport { join as j, basename } from 'node:path';\n"
                       "import * as os from 'os'\nawait new Promise(r => setTimeout(r, 5));\n"
                       "[typeof fs.readFileSync, j('a', 'b'), typeof os.cpus]")
        self.assertEqual(r.stdout, "[ 'function', 'a/b', 'function' ]\n")
        self.assertEqual(self.js(s, "basename('/x/y')").stdout, "'y'\n")
        s.write(**{"own.mjs": "export const v = 7; export default 8"})
        self.assertEqual(self.js(s, "import d, { v } from './own.mjs'; d + v").stdout, "15\n")
        r = self.js(s, "// import(\nconst f = async (name) => (await import(name)).v; (await import('fs')).F_OK + "
                       "`${await f('./own.mjs')}` + \"'import('\"")
        self.assertEqual(r.stdout, '''"07'import('"\n''')
        self.assertEqual(self.js(s, "require('path').sep").stdout, "'/'\n")

    def test_errors(self):
        s = self.session()
        r = self.js(s, "function f() {\n  throw new TypeError('boom')\n}\nf()")
        self.assertEqual((r.error, r.code), (True, 1))
        self.assertRegex(r.stderr, r"^TypeError: boom\n    at f \(cell 1:2:9\)\n    at cell 1:4:1\n$")
        self.assertIn("SyntaxError", self.js(s, "let = ;").stderr)
        self.assertIn("Uncaught 'text'", self.js(s, "throw 'text'").stderr)
        self.assertIn("later", self.js(s, "setTimeout(() => { throw new Error('later') }, 1); "
                                          "await new Promise(r => setTimeout(r, 50))").stderr)
        self.assertEqual(self.js(s, "1").stdout, "1\n")

    def test_lost_kernel(self):
        s = self.session()
        self.assertIn("lost", self.js(s, "process.exit(0)").stderr)
        self.assertEqual(self.js(s, "2").stdout, "2\n")

    def test_more_output_than_a_pipe_holds(self):
        s = self.session()
        r = self.js(s, "console.log('o'.repeat(300000)); console.error('e'.repeat(300000)); "
                       "process.stdout.write(Buffer.from('last'), () => {})")
        self.assertEqual((r.stdout, r.stderr), ("o" * 300000 + "\nlasttrue\n", "e" * 300000 + "\n"))
        self.assertEqual(self.js(s, "2").stdout, "2\n")

    @unittest.skipUnless(HAS_ESBUILD, "esbuild is not installed")
    def test_typescript(self):
        s = self.session()
        r = self.js(s, "interface P { x: number }\nenum E { A = 1, B }\nconst p: P = { x: 2 };\n(p.x as number) + E.B",
                    "typescript")
        self.assertEqual(r.stdout, "4\n")
        self.assertEqual(self.js(s, "p.x satisfies number", "typescript").stdout, "2\n")
        self.assertIn("ERROR", self.js(s, "let x: = 3", "typescript").stderr)
        self.assertEqual(self.js(s, f"const s: string = '{'s' * (1 << 20)}'; s.length", "typescript").stdout, "1048576\n")
        self.assertEqual(self.js(s, "import { sep } from 'path';\nsep as string", "typescript").stdout, "'/'\n")

    @unittest.skipIf(HAS_DENO, "deno is installed")
    def test_no_deno(self):
        s = self.session()
        r = s.run("1", "javascript", runtime="deno")
        self.assertTrue(r.error)
        self.assertIn("deno is not installed", r.text)
        self.assertEqual(s.run("1", "javascript").stdout, "1\n")


if __name__ == "__main__":
    unittest.main()
