import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findFreeTcpPort } from "../support/free-port.ts";
import { spawnGateway } from "../support/gateway-process.ts";
import { findProgram } from "../support/programs.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { noStrace, parseTrace, type TracedCall } from "../support/strace.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Where the message rests when 250 is said, by why the hub does not have it. */
const CASES = [
  { why: "the hub is down", to: "alice@down.test", state: "due" },
  { why: "the domain acknowledges on the spool", to: "alice@spooled.test", state: "due" },
  { why: "the hub is silent after the dot", to: "alice@silent.test", state: "active" },
] as const;

const CALLS =
  "trace=rename,renameat,renameat2,fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg";

function policiesFor(downPort: number, silentPort: number) {
  const takes = (port: number, ...domains: readonly string[]) => ({
    domains,
    smarthosts: [`127.0.0.1:${port}`],
  });
  return {
    domains: {
      domains: {
        "down.test": { verify: "off" },
        "spooled.test": { verify: "off", ack: "spool" },
        "silent.test": { verify: "off" },
      },
    },
    routing: {
      connectors: {
        down: takes(downPort, "down.test", "spooled.test"),
        silent: takes(silentPort, "silent.test"),
      },
    },
    limits: { delivery: { waitSeconds: 1 } },
  };
}

/** The ids that the client was told with 250, one for each case; and what the process did. */
async function traceCases(folder: string): Promise<{ ids: readonly string[]; trace: string }> {
  const silent = await startScriptedHub({
    script: ({ step }) => (step === "dot" ? { hang: true } : undefined),
  });
  const policies = policiesFor(await findFreeTcpPort(), silent.port);
  const settingsFile = await writeGatewayFiles(folder, { hubPort: silent.port, policies });
  const log = join(folder, "trace");
  // -D: the tracer is not in between, so signals go to the gateway and not to strace.
  const strace = [findProgram("strace").path, "-D", "-f", "-y", "-s", "200", "-e", CALLS];
  const gateway = spawnGateway({ settingsFile, wrapper: [...strace, "-o", log] });
  try {
    const port = await gateway.listening();
    const ids: string[] = [];
    for (const { to } of CASES) {
      const { final, id } = await sendMail({ port, to: [to], message: SIMPLE_MESSAGE });
      assert.match(final?.text ?? "", /^250 /);
      ids.push(id ?? "");
    }
    await gateway.kill();
    const trace = await waitUntil(
      () => "strace does not end",
      () => {
        const text = existsSync(log) ? readFileSync(log, "utf8") : "";
        return text.includes("+++ killed by SIGKILL +++") ? text : undefined;
      },
    );
    return { ids, trace };
  } finally {
    await gateway.kill();
    await silent.close();
  }
}

/** fsync(file), rename, fsync(folder) of this entry, each begun when the one before had ended. */
function assertPromisedInOrder(calls: readonly TracedCall[], id: string, state: string): void {
  const after = (ended: number, what: string, matches: (call: TracedCall) => boolean) => {
    const found = calls.find((call) => call.begun > ended && matches(call));
    assert.ok(found, `${id}: no ${what}`);
    return found;
  };
  const isSync = ({ name, line }: TracedCall) => /^f(data)?sync$/.test(name) && / = 0$/.test(line);
  const isDraft = ({ line }: TracedCall) => line.includes(`/incoming/${id}-`);
  const isWrite = ({ name }: TracedCall) => /^p?write/.test(name);
  const written = calls.findLast((call) => isWrite(call) && isDraft(call));
  assert.ok(written, `${id}: nothing was written`);
  const file = after(written.ended, "fsync(file)", (call) => isSync(call) && isDraft(call));
  const renamed = after(
    file.ended,
    "rename",
    ({ name, line }) => name.startsWith("rename") && line.includes(`/${state}/${id}-`),
  );
  const folder = after(
    renamed.ended,
    "fsync(folder)",
    (call) => isSync(call) && call.line.includes(`/spool/${state}>`),
  );
  const said = calls.filter(({ line }) => line.includes('"250 2.0.0 ') && line.includes(id));
  assert.equal(said.length, 1, `${id}: 250 is said once`);
  assert.ok(said[0] && folder.ended < said[0].begun, `${id}: promised too early`);
}

test("a 250 that rests on the spool is said after fsync of the file, rename, fsync of the folder", {
  skip: noStrace(),
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "postern-strace-"));
  try {
    const { ids, trace } = await traceCases(folder);
    const calls = parseTrace(trace);
    for (const [i, { why, state }] of CASES.entries())
      await t.test(`when ${why}`, () => assertPromisedInOrder(calls, ids[i] ?? "none", state));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
