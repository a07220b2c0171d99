# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# Python subprocess: many children started from several threads at once, pipes in both directions.
weight=light
packages='python3-minimal libpython3-stdlib'
programs='/usr/bin/python3 /bin/cat'

job() {
    /usr/bin/python3 - <<'END'
import concurrent.futures
import hashlib
import subprocess
import sys

def through_cat(number):
    data = (b"%d\n" % number) * (number * 50)
    child = subprocess.run(["/bin/cat"], input=data, stdout=subprocess.PIPE, check=True)
    assert child.stdout == data
    return number, len(child.stdout), child.returncode

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    results = list(pool.map(through_cat, range(300)))
print(len(results), hashlib.sha256(repr(results).encode()).hexdigest())

code = "import json, sys; print(json.dumps([int(n) ** 9 for n in sys.stdin.read().split()])); sys.exit(3)"
for number in range(10):
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    output, _ = child.communicate(" ".join(str(n) for n in range(number * 100)))
    print(number, child.returncode, hashlib.sha256(output.encode()).hexdigest())

print(subprocess.check_output("sort | uniq -c | sort -rn | head -n 3", shell=True, text=True,
                              input="".join("%d\n" % (n * n % 101) for n in range(5000))))
print([subprocess.call(["sh", "-c", "kill -%d $$" % signal]) for signal in (9, 15)])
END
}
