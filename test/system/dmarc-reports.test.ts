import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { attachedReport, noXmllint, reportFault, textsOf } from "../support/dmarc-report-reader.ts";
import { spawnGateway } from "../support/gateway-process.ts";
import { noNsd, startNsd } from "../support/nsd-server.ts";
import { runPostern } from "../support/run-postern.ts";
import { type HubMessage, startScriptedHub } from "../support/scripted-hub.ts";
import { sendMail } from "../support/send-mail.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";
import { countedIn, noFaketime, startingAt } from "../support/two-days.ts";
import { waitUntil } from "../support/wait-until.ts";

const ZONE = `
_dmarc.strict TXT "v=DMARC1; p=reject; rua=mailto:dmarc@strict.test!10m"
strict TXT "v=spf1 -all"
_dmarc.mild TXT "v=DMARC1; p=none; np=reject; t=y; rua=mailto:a@collector.test,mailto:b@victim.test"
mild TXT "v=spf1 ip4:127.0.0.1 -all"
mild.test._report._dmarc.collector TXT "v=DMARC1"
_dmarc.silent TXT "v=DMARC1; p=reject"
`;
const DAY = "2026-11-24";
const EVENING = `${DAY} 20:00:00`;
const NEXT_NOON = "2026-11-25 12:00:00";
const skip = noNsd() || noXmllint() || noFaketime();

test("what came in the name of two domains is told to them on the next day, also after kill -9", {
  skip,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-dmarc-"));
  const hub = await startScriptedHub();
  const dns = await startNsd({ test: ZONE });
  afterwards(t, async () => {
    await Promise.all([hub.close(), dns.stop()]);
    await rm(folder, { recursive: true, force: true });
  });
  const settingsFile = await writeGatewayFiles(folder, {
    hubPort: hub.port,
    policies: {
      routing: {
        connectors: { hub: { domains: ["*"], smarthosts: [`127.0.0.1:${hub.port}`] } },
        dmarcReports: { enabled: true, from: "dmarc@example.org", organization: "R & D" },
      },
    },
    settings: { workers: 2, dns: { servers: [dns.address], timeoutMs: 5000 } },
  });
  const postern = async (...words: string[]) =>
    (await runPostern({ settingsFile, folder }, ...words)).text;
  const at = (time: string) => spawnGateway({ settingsFile, wrapper: startingAt(time) });

  const evening = at(EVENING);
  afterwards(t, () => evening.stop());
  const port = await evening.listening();
  const mail = (from: string) => `From: <ceo@${from}>\r\nSubject: x\r\n\r\nHello\r\n`;
  const send = async (domain: string, code: number) => {
    const { final } = await sendMail({ port, from: `ceo@${domain}`, message: mail(domain) });
    assert.equal(final?.code, code, `${final?.text}`);
  };
  await send("strict.test", 550);
  await send("strict.test", 550);
  await send("mild.test", 250);
  await send("silent.test", 550);
  const file = join(folder, "data/tracking/tracking.db");
  await waitUntil(
    () => `the results are not written down: ${evening.output()}`,
    async () => (countedIn(file, "dmarc_results", DAY) === 3 ? true : undefined),
  );
  await evening.kill();

  const noon = at(NEXT_NOON);
  afterwards(t, () => noon.stop());
  const reports = await waitUntil(
    () => `no two reports: ${noon.output()}`,
    async () => {
      const found = hub.messages.filter(({ sender }) => sender === "dmarc@example.org");
      return found.length >= 2 ? found : undefined;
    },
    60_000,
  );
  // A report is found and explained like other mail.
  const trace = ["trace", "--subject", "Report Domain: strict.test", "--since", "2026-11-01"];
  const { id } = JSON.parse(await postern(...trace, "--json"));
  const told = await waitUntil(
    () => "the report's way is not told",
    async () => {
      const story = await postern("explain", id);
      return story.includes("delivered to 127.0.0.1") ? story : undefined;
    },
  );
  assert.match(told, /the DMARC report about strict\.test on 2026-11-24 \(UTC\): 2 messages of 1/);
  await noon.told(/"to":"b@victim\.test".*does not agree/);
  assert.deepEqual(reports.flatMap(({ recipients }) => recipients).toSorted(), [
    "a@collector.test",
    "dmarc@strict.test",
  ]);
  const strict = read(reports, "dmarc@strict.test");
  assert.match(strict.name, /^mx\.example\.org!strict\.test!1795478400!1795564799\.xml\.gz$/);
  assert.deepEqual(textsOf(strict.xml, "count"), ["2"]);
  assert.deepEqual(textsOf(strict.xml, "disposition"), ["reject"]);
  assert.deepEqual(textsOf(strict.xml, "org_name"), ["R &amp; D"]);
  const mild = read(reports, "a@collector.test");
  assert.deepEqual(textsOf(mild.xml, "disposition"), ["none"]);
  assert.deepEqual([textsOf(mild.xml, "np"), textsOf(mild.xml, "testing")], [["reject"], ["y"]]);
  // DMARC's own alignment, then what SPF said.
  assert.deepEqual(textsOf(mild.xml, "spf"), ["pass"]);
  assert.deepEqual(textsOf(mild.xml, "result"), ["pass"]);
});

function read(reports: readonly HubMessage[], recipient: string) {
  const message = reports.find(({ recipients }) => recipients.includes(recipient));
  assert.ok(message);
  const report = attachedReport(message.data);
  assert.equal(reportFault(report.xml), null, report.xml);
  return report;
}
