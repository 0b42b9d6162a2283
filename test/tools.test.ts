// The packages that a test needs and a machine has not are named as this distribution names them.
import { expect, test } from "bun:test";
import { advise } from "../scripts/lib/tools.ts";

test.each([
  ['VERSION_ID="12"\nID=debian\n', "as root: apt-get install shellcheck socat util-linux-extra"],
  ["ID=ubuntu\nID_LIKE=debian\n", "as root: apt-get install shellcheck socat util-linux-extra"],
  ['ID="rocky"\nID_LIKE="rhel fedora"\n', "as root: dnf install ShellCheck socat util-linux"],
  ["", "Debian's names of the packages: shellcheck socat util-linux-extra"],
])("on %j packages have its names", (release, advice) => {
  expect(advise(["shellcheck", "socat", "util-linux-extra"], release)).toBe(advice);
});
