import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createStsStore } from "../../src/relay/tls/mta-sts-store.ts";
import { afterwards } from "../support/afterwards.ts";
import { noDkimpy, verifyWithDkimpy } from "../support/dkimpy.ts";
import { spawnGateway } from "../support/gateway-process.ts";
import { noNsd, startNsd } from "../support/nsd-server.ts";
import { runPostern } from "../support/run-postern.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { createKeyFiles } from "../support/signing-keys.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";
import { countedIn, noFaketime, startingAt } from "../support/two-days.ts";
import { waitUntil } from "../support/wait-until.ts";

const DAY_MS = 86_400_000;
/** Days that are over by the clock of whoever checks the signature. */
const toDay = (daysAgo: number) =>
  new Date(Date.now() - daysAgo * DAY_MS).toISOString().slice(0, 10);
const DAY = toDay(3);
const EVENING = `${DAY} 20:00:00`;
const NEXT_NOON = `${toDay(2)} 12:00:00`;
const skip = noNsd() || noDkimpy() || noFaketime();
const RUA = [
  "mailto:tls@partner.test?cc=eve@victim.test",
  // None of these is for us to call: ourselves, and what a name of a stranger leads to.
  "https://127.0.0.1/tlsrpt",
  "https://inside.partner.test/tlsrpt",
].join(",");
const FROM = "tls@example.org";

test("a domain whose server lost its TLS is told so on the next day, once, signed and in the clear", {
  skip,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-tlsrpt-"));
  const keys = await createKeyFiles();
  const key = await keys.make("k1.pem");
  const strings = (key.record.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(" ");
  const server = await startScriptedHub({ host: "127.0.0.2" });
  const dns = await startNsd({
    "example.org": `k1._domainkey TXT ${strings}`,
    test: `
partner MX 10 mx.partner
mx.partner A 127.0.0.2
inside.partner A 127.0.0.1
_mta-sts.partner TXT "v=STSv1; id=1"
_smtp._tls.partner TXT "v=TLSRPTv1; rua=${RUA}"
`,
  });
  afterwards(t, async () => {
    await Promise.all([server.close(), dns.stop(), keys[Symbol.asyncDispose]()]);
    await rm(folder, { recursive: true, force: true });
  });
  const fetchedAt = Date.parse(`${EVENING}Z`);
  await createStsStore(join(folder, "data/mta-sts")).write({
    domain: "partner.test",
    id: "1",
    policy: { mode: "enforce", mx: ["mx.partner.test"], maxAgeSeconds: 604_800 },
    fetchedAt,
    usedAt: fetchedAt,
  });
  const settingsFile = await writeGatewayFiles(folder, {
    hubPort: 9,
    policies: {
      routing: {
        connectors: {
          hub: { domains: ["example.org"], smarthosts: ["127.0.0.1:9"] },
          internet: { domains: ["*"], mx: true, port: server.port },
        },
        tlsReports: { enabled: true, from: FROM, organization: "Example" },
      },
      signing: { keys: { "example.org": { selector: "k1", file: key.file } } },
    },
    settings: {
      workers: 2,
      listeners: [{ name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] }],
      dns: { servers: [dns.address], timeoutMs: 5000 },
    },
  });
  const postern = async (...words: string[]) =>
    (await runPostern({ settingsFile, folder }, ...words)).text;
  const at = (time: string) => spawnGateway({ settingsFile, wrapper: startingAt(time) });

  const evening = at(EVENING);
  afterwards(t, () => evening.stop());
  const port = await evening.listening();
  const order = { port, from: "alice@example.org", to: ["bob@partner.test"] };
  const { final } = await sendMail({ ...order, message: SIMPLE_MESSAGE });
  assert.equal(final?.code, 250, `${final?.text}`);
  const file = join(folder, "data/tracking/tracking.db");
  await waitUntil(
    () => `no session is written down: ${evening.output()}`,
    () => (countedIn(file, "tls_sessions", DAY) > 0 ? true : undefined),
  );
  await evening.kill();
  assert.equal(server.messages.length, 0);

  const noon = at(NEXT_NOON);
  afterwards(t, () => noon.stop());
  const [report] = await server.waitForMessages(1, 60_000);
  assert.ok(report);
  assert.deepEqual(
    [report.sender, report.recipients, report.tls],
    [FROM, ["tls@partner.test"], false],
  );
  const [verdict] = verifyWithDkimpy([report.data], dns.address);
  assert.deepEqual(verdict?.dkim, [true]);
  const text = report.data.toString("latin1").replaceAll("\r", "");
  const day = `${Date.parse(DAY) / 1000}`;
  assert.match(text, /^DKIM-Signature:[\s\S]*?\bd=example\.org;/m);
  assert.match(text, /^TLS-Report-Domain: partner\.test\nTLS-Report-Submitter: mx\.example\.org$/m);
  const name = /filename="([^"]+)"/.exec(text)?.[1] ?? "";
  assert.equal(name, `mx.example.org!partner.test!${day}!${Number(day) + 86_399}.json.gz`);
  const base64 = /base64[\s\S]*?\n\n([\s\S]*?)\n--/.exec(text)?.[1] ?? "";
  const json = JSON.parse(gunzipSync(Buffer.from(base64, "base64")).toString());
  assert.equal(json["report-id"], `${DAY}.partner.test@mx.example.org`);
  const [{ policy, summary, "failure-details": details }] = json.policies;
  assert.deepEqual([policy["policy-type"], policy["mx-host"]], ["sts", ["mx.partner.test"]]);
  // Counted only now: the processes of the killed gateway still wrote down what they had seen.
  assert.equal(summary["total-failure-session-count"], countedIn(file, "tls_sessions", DAY));
  assert.equal(details[0]["result-type"], "starttls-not-supported");

  // A report is found and explained like other mail, and so is why it went in the clear.
  const trace = ["trace", "--subject", "Report Domain: partner.test", "--since", toDay(9)];
  const { id } = JSON.parse(await postern(...trace, "--json"));
  const told = await waitUntil(
    () => "the report's way is not told",
    async () => {
      const story = await postern("explain", id);
      return story.includes("delivered to mx.partner.test") ? story : undefined;
    },
  );
  assert.match(told, /in the clear, a TLS report: no policy is asked/);
  assert.match(told, new RegExp(`the TLS report about partner\\.test on ${DAY} \\(UTC\\)`));
  await noon.told(
    /inside\.partner\.test: its addresses are not public: 127\.0\.0\.1","event":"tls-report-not-sent"/,
  );
  assert.doesNotMatch(noon.output(), /"to":"https:\/\/127/);
  await noon.stop();

  // The mail that the report is about still waits, and the report is not sent again.
  const later = at(NEXT_NOON.replace("12:", "18:"));
  afterwards(t, () => later.stop());
  await later.listening();
  const queue = await postern("queue", "list");
  assert.match(queue, /bob@partner\.test/);
  await later.told(/no STARTTLS/);
  assert.equal(server.messages.length, 1);
});
