#!/usr/bin/env python3
"""run.py [--store sqlite|postgresql] [--node DIR] [TEST...] - the conformance tests, on each store.

Every test is one case; the last line is "N passed, N failed".  TEST: a module (test_auth), a class or a test of it, or
"js".  With AC_TEST_POSTGRES, the URL of a PostgreSQL server, the same tests run on it as well.  --node: a directory
whose node_modules holds the JavaScript client."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

import target

HERE = pathlib.Path(__file__).resolve().parent
NODE_SECONDS = 180
CASE = re.compile(r"^(ok|not ok) \d+([^\n]*)", re.MULTILINE)


class Result(unittest.TextTestResult):
    """Counts tests, not subtests: a test with a failed subtest is one failure."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.began = {}

    def startTest(self, test):
        super().startTest(test)
        self.began[test.id()] = time.monotonic()

    def failed_tests(self):
        tests = [test for test, _ in self.failures + self.errors]
        tests += self.unexpectedSuccesses
        return {getattr(test, "test_case", test).id() for test in tests}

    def skipped_tests(self):
        """(how many of those that were begun, why any was not run)."""
        begun = [test for test, _ in self.skipped if test.id() in self.began]
        return len(begun), sorted({reason for _, reason in self.skipped})

    def slowest(self, count):
        ended = time.monotonic()
        starts = sorted(self.began.items(), key=lambda item: item[1])
        ends = [begin for _, begin in starts[1:]] + [ended]
        return sorted(((end - begin, name) for (name, begin), end in zip(starts, ends)), reverse=True)[:count]


def for_store(suite, name):
    """The tests that are to run on this store: all, but those of classes that name others in `stores`."""
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(for_store(test, name))
        elif name in getattr(test, "stores", (name,)):
            kept.addTest(test)
    return kept


def run_python(names):
    """(passed, failed) of the tests through Python clients."""
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(HERE), "test_*.py")
    suite = for_store(suite, target.STORE.name)
    runner = unittest.TextTestRunner(sys.stdout, resultclass=Result, verbosity=1, warnings="ignore")
    result = runner.run(suite)
    for seconds, name in result.slowest(3):
        print(f"  {seconds:6.2f} s  {name}")
    skipped, reasons = result.skipped_tests()
    for reason in reasons:
        print(f"conformance: NOT RUN: {reason}")
    failed = len(result.failed_tests())
    return result.testsRun - skipped - min(failed, result.testsRun), failed


def run_node_file(path, env):
    done = subprocess.run(
        ["node", "--test-reporter=tap", str(path)],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS,
    )
    words = [word for word, _ in CASE.findall(done.stdout)]
    failed = words.count("not ok")
    if failed or done.returncode != 0 or not words:
        print(done.stdout + done.stderr)
        failed = max(failed, 1)
    return words.count("ok"), failed


def run_node(modules):
    """(passed, failed) of the tests through the JavaScript client."""
    import deployed  # these need boto3, as all tests but not this program do
    import runtimes

    files = ["js/conformance.test.mjs"]
    reason = deployed.sandboxes_missing()
    if reason:
        print(f"conformance: NOT RUN: {reason}")
    elif target.STORE.name in deployed.AgentTest.stores:
        files.append("js/agents.test.mjs")
    passed = failed = 0
    with target.running() as daemon:
        runtimes.put_code(daemon, "agent.zip")
        deployed.put_plain_agent(daemon)
        env = {**os.environ, **daemon.env, "CONFORMANCE_MODULES": str(pathlib.Path(modules).resolve())}
        for file in files:
            good, bad = run_node_file(HERE / file, env)
            passed, failed = passed + good, failed + bad
    print(f"Ran {passed + failed} tests through the AWS SDK for JavaScript")
    return passed, failed


def stores(wanted):
    url = os.environ.get("AC_TEST_POSTGRES")
    known = {"sqlite": target.Sqlite()}
    if url and shutil.which("psql"):
        known["postgresql"] = target.Postgres(url)
    elif wanted != "sqlite":
        print("conformance: PostgreSQL is not installed: its store is NOT tested")
    return [store for name, store in known.items() if wanted in (None, name)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--store", choices=["sqlite", "postgresql"])
    parser.add_argument("--node", help="where node_modules with the JavaScript client is")
    parser.add_argument("tests", nargs="*")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    names = [name for name in args.tests if name != "js"]
    passed = failed = 0
    for store in stores(args.store):
        target.use_store(store)
        print(f"== store {store.name}", flush=True)
        counts = []
        if names or not args.tests:
            counts.append(run_python(names))
        if args.node and ("js" in args.tests or not args.tests):
            counts.append(run_node(args.node))
        passed += sum(good for good, _ in counts)
        failed += sum(bad for _, bad in counts)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
