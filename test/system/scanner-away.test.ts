import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type FakeClamd, type Misbehaviour, startFakeClamd } from "../support/fake-clamd.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

let hub: ScriptedHub;
let clamd: FakeClamd;
let edge: TestGateway;

/** A scan limit that a test can wait for. */
const PIPELINE = {
  phases: {
    data: {
      budgetMs: 60_000,
      steps: [
        ["dkim"],
        ["from"],
        ["arc"],
        ["dmarc"],
        ["sender-id"],
        ["attachments"],
        [{ stage: "antivirus", timeoutMs: 1500 }],
      ],
    },
  },
};

before(async () => {
  hub = await startScriptedHub();
  clamd = await startFakeClamd();
  edge = await startTestGateway({
    hubPort: hub.port,
    clamd: [clamd.address],
    policies: { pipeline: PIPELINE },
  });
});

after(async () => {
  // Without it the fakes would wait for ever where the gateway did not start.
  await edge?.remove();
  await clamd.close();
  await hub.close();
});

const FAULTS: readonly Misbehaviour[] = [
  "hang",
  "stopped",
  "close-at-once",
  "close-after-first-chunk",
  "close-before-reply",
  "reset-after-first-chunk",
  "rubbish",
  "error",
  "huge-reply",
  "ok-in-upper-case",
  "ok-twice",
  "too-big-after-first-chunk",
  "half-close-after-first-chunk",
];

for (const fault of FAULTS)
  test(`a clamd that does "${fault}" lets nothing through: 451, and the next mail after it passes`, async () => {
    const before = hub.messages.length;
    clamd.behave(fault);
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.match(sent.final?.text ?? "", /^451 4\.7\.1 .*\(ref /);
    assert.equal(hub.messages.length, before, "delivered without a scan");
    clamd.behave("none");
    await waitUntil(
      () => "no mail passes after clamd is back",
      async () => {
        const again = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
        return again.final?.code === 250 ? true : undefined;
      },
      30_000,
    );
  });

test("what the scanner names is refused with the name", async () => {
  const message = `${SIMPLE_MESSAGE}[[found Made.Up.Virus]]\r\n`;
  const sent = await sendMail({ port: edge.port, message });
  assert.match(sent.final?.text ?? "", /^550 5\.7\.1 .*Made\.Up\.Virus.*\(ref /);
});

test("a scanner that is gone altogether lets nothing through", async () => {
  const before = hub.messages.length;
  await clamd.close();
  const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
  assert.match(sent.final?.text ?? "", /^451 4\.7\.1 /);
  assert.equal(hub.messages.length, before);
});
