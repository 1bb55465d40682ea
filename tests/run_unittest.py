"""Runs one file of unittest tests and reports each case in TAP, which `meson test` reads."""

import importlib.util
import os
import sys
import unittest


class TapResult(unittest.TestResult):
    """Prints "ok" or "not ok" as each case ends; details follow as comments."""

    def __init__(self, stream):
        super().__init__()
        self.out = stream
        self.count = 0

    def line(self, word, test, note="", details=""):
        self.count += 1
        print(f"{word} {self.count} - {test.id().split('.', 1)[-1]}{note}", file=self.out, flush=True)
        for text in details.splitlines():
            print(f"# {text}", file=self.out, flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test, details=self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line("not ok", test, details=self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, note=f" # SKIP {reason}")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.line("ok", test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.line("not ok", test, details="succeeded, but was expected to fail")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.line("not ok", subtest, details=(self.failures + self.errors)[-1][1])


def main():
    path = os.path.abspath(sys.argv[1])
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module

    # The TAP stream is ours alone: whatever a test prints goes to standard error.
    tap = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    spec.loader.exec_module(module)
    result = TapResult(tap)
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    print(f"1..{result.count}", file=tap, flush=True)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
