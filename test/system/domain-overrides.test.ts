import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import { noRbldnsd, type RbldnsdServer, startRbldnsd } from "../support/rbldnsd-server.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { storyOf, withEdge } from "../support/with-edge.ts";

const skip = noRbldnsd();
const ZONE = "bl.test";
let list: RbldnsdServer;

before(async () => {
  if (skip) return;
  list = await startRbldnsd({
    [ZONE]: { dataset: "ip4set", data: ":127.0.0.2:Listed\n127.0.0.66\n127.0.0.2" },
  });
});
after(() => list?.stop());

const POLICIES = {
  domains: {
    domains: {
      "strict.test": { recipients: { list: ["a@strict.test"] } },
      "lenient.test": { recipients: { list: ["a@lenient.test"] }, skip: ["dnsbl", "spf"] },
    },
  },
  routing: {
    connectors: { hub: { domains: ["strict.test", "lenient.test"], smarthosts: ["127.0.0.1:9"] } },
  },
  dnsbl: { lists: [{ zone: ZONE, answers: ["127.0.0.2"], score: 6 }], rejectAt: 6 },
};

test("a list that one domain skips refuses another's mail, and explain says why", {
  skip,
}, async () => {
  const options = { dnsServer: list.address, policies: POLICIES };
  await withEdge(options, async (edge) => {
    const sent = await sendMail({
      ...{ port: edge.port, localAddress: "127.0.0.66", message: SIMPLE_MESSAGE },
      to: ["a@strict.test", "a@lenient.test"],
    });
    assert.deepEqual(
      sent.rcpt.map(({ text }) => text.slice(0, 9)),
      ["550 5.7.1", "250 2.1.5"],
    );
    assert.equal(sent.final?.code, 250);
    const { record } = await storyOf(edge, sent.id);
    const reports = record.reports.filter(({ stage }) => stage === "domains");
    const lenient = reports.find(({ recipient }) => recipient === "a@lenient.test");
    assert.deepEqual(sayEvidence("domains", lenient?.evidence ?? null), [
      "domains.yaml has the address",
      "at this domain dnsbl, spf count for nothing",
    ]);
    assert.equal(record.score, 0);
  });
});
