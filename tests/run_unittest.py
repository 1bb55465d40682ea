"""Runs one file of unittest tests and reports each case in TAP, which `meson test` reads."""

import importlib.util
import os
import sys
import unittest


class TapResult(unittest.TestResult):
    """Prints "ok" or "not ok" when a case has ended, cleanup included; what went wrong follows as comments."""

    def __init__(self, stream):
        super().__init__()
        self.out = stream
        self.count = 0
        self.running = False
        self.flaws = []
        self.skipped_because = None

    def report(self, name):
        self.count += 1
        word = "not ok" if self.flaws else "ok"
        note = f" # SKIP {self.skipped_because}" if self.skipped_because and not self.flaws else ""
        print(f"{word} {self.count} - {name.split('.', 1)[-1]}{note}", file=self.out)
        for text in "\n".join(self.flaws).splitlines():
            print(f"# {text}", file=self.out)
        self.out.flush()
        self.flaws, self.skipped_because = [], None

    def flaw(self, test, text):
        self.flaws.append(text)
        if not self.running:  # setUpClass, tearDownModule and the like
            self.report(test.id())

    def startTest(self, test):
        super().startTest(test)
        self.running = True

    def stopTest(self, test):
        super().stopTest(test)
        self.running = False
        self.report(test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.flaw(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.flaw(test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.flaw(test, f"{subtest.id()}\n{(self.failures + self.errors)[-1][1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skipped_because = reason
        if not self.running:
            self.report(test.id())

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.flaw(test, "succeeded, but was expected to fail")


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
