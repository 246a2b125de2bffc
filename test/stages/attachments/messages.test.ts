import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "yaml";
import { judgeUnder, readMail } from "./attachments-bench.ts";

const FOLDER = new URL("../../messages/attachments/", import.meta.url);

interface Expected {
  readonly action: "pass" | "reject" | "quarantine";
  readonly cause?: string;
  /** What the sender is told. */
  readonly name?: string;
  /** In the order of severity. */
  readonly symbols: readonly string[];
  /** attachments.yaml; the shipped policy when absent. */
  readonly options?: object;
}

for (const name of (await readdir(FOLDER)).filter((file) => file.endsWith(".eml")).sort()) {
  const claim = name.slice(0, -".eml".length);
  test(claim.replaceAll("-", " "), async () => {
    const mail = await readFile(new URL(name, FOLDER));
    const expected: Expected = parse(
      await readFile(new URL(`${claim}.expect.yaml`, FOLDER), "utf8"),
    );
    const { options = {}, ...outcome } = expected;
    const verdict = judgeUnder(options, await readMail(mail));
    assert.deepEqual(
      {
        action: verdict.kind === "neutral" ? "pass" : verdict.kind,
        ...("cause" in verdict && { cause: verdict.cause }),
        ...("about" in verdict && verdict.about),
        symbols: verdict.findings.map(({ symbol }) => symbol),
      },
      outcome,
    );
  });
}

test("the mail of these tests is as on the wire: every line ends with CRLF", async () => {
  for (const name of (await readdir(FOLDER)).filter((file) => file.endsWith(".eml"))) {
    const mail = await readFile(new URL(name, FOLDER), "latin1");
    assert.doesNotMatch(mail, /\r(?!\n)|(?<!\r)\n/, name);
  }
});
