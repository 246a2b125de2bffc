import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { findProgram } from "../support/programs.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway } from "../support/test-gateway.ts";

const testssl = findProgram("testssl");
/** What a self-signed certificate without a name service is bound to be told. */
const ABOUT_OUR_CERTIFICATE = /^cert|^DNS_CAA|^OCSP|^chain|^trust|^overall_grade|^grade/i;

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

test("testssl.sh finds no weak protocol and no weak cipher", { skip: testssl.skip }, async (t) => {
  const stack = new AsyncDisposableStack();
  afterwards(t, () => stack.disposeAsync());
  const hub = await startScriptedHub();
  stack.defer(() => hub.close());
  const limits = { connections: { perClient: 1000, newPerClientPerMinute: 100_000 } };
  const edge = await startTestGateway({ hubPort: hub.port, policies: { limits } });
  stack.defer(() => edge.remove());
  const folder = mkdtempSync(join(tmpdir(), "postern-testssl-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "findings.json");
  const checks = ["--protocols", "--std", "--server-preference"];
  const how = ["--quiet", "--warnings", "off", "--nodns", "none", "--color", "0"];
  const target = ["--starttls", "smtp", `127.0.0.1:${edge.port}`];
  await new Promise<void>((resolve) => {
    // Its exit code counts findings; they are read from its file.
    const all = [...how, ...checks, "--jsonfile", file, ...target];
    execFile(testssl.path, all, { maxBuffer: 1 << 24 }, () => resolve());
  });
  const findings = JSON.parse(readFileSync(file, "utf8")) as readonly Finding[];
  const found = (id: string) => findings.find((one) => one.id === id)?.finding ?? "";
  assert.match(found("TLS1_2"), /offered/);
  assert.match(found("TLS1_3"), /offered/);
  for (const id of ["SSLv2", "SSLv3", "TLS1", "TLS1_1"]) assert.match(found(id), /not offered/, id);
  const severe = findings.filter(
    ({ id, severity }) =>
      /^(?:HIGH|CRITICAL|FATAL)$/.test(severity) && !ABOUT_OUR_CERTIFICATE.test(id),
  );
  assert.deepEqual(severe, []);
});
