import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { noDkimpy, verifyWithDkimpy } from "../support/dkimpy.ts";
import { type NsdServer, noNsd, startNsd } from "../support/nsd-server.ts";
import { readSignatures } from "../support/read-signatures.ts";
import { type RewritingEdge, startRewritingEdge } from "../support/rewriting-edge.ts";
import { createKeyFiles, type KeyFiles } from "../support/signing-keys.ts";
import { storyOf } from "../support/with-edge.ts";

const skip = noNsd() || noDkimpy();
const REWRITING = { addresses: [{ internal: "corp.example.org", external: "example.org" }] };
const FRIEND = "carol@friend.test";

let keys: KeyFiles;
let nsd: NsdServer;
let all: RewritingEdge;

before(async () => {
  if (skip) return;
  keys = await createKeyFiles();
  const { file, record } = await keys.make("a1.pem");
  nsd = await startNsd({ "example.org": `a1._domainkey TXT "${record}"` });
  all = await startRewritingEdge({
    rewriting: REWRITING,
    dnsServer: nsd.address,
    policies: {
      signing: { arc: { domain: "example.org", selector: "a1", file } },
      limits: { connections: { newPerClientPerMinute: 10_000 } },
      dnsbl: { lists: [] },
    },
  });
});
after(async () => {
  if (skip) return;
  await all[Symbol.asyncDispose]();
  await nsd.stop();
  await keys[Symbol.asyncDispose]();
});

const letter = (to: string) => `From: ${FRIEND}\r\nTo: ${to}\r\nSubject: x\r\n\r\nHello\r\n`;

/** What the hub gets of it, and what explain says. */
async function pass(message: string, to = "ann@example.org") {
  const sent = await all.receive({ from: FRIEND, to: [to], message });
  assert.equal(sent.final?.code, 250);
  const { data } = all.inside.messages.at(-1)!;
  await all.edge.waitForLog("decided", (line) => line.id === sent.id);
  return { data, told: describeStory(await storyOf(all.edge, sent.id)).join("\n") };
}

describe("mail that edits change on its way in is sealed", { concurrency: false, skip }, () => {
  test("Postern and another verifier believe each set of the chain", async () => {
    const first = await pass(letter("ann@example.org"));
    assert.match(first.data.toString(), /^ARC-Seal: i=1; [\s\S]*To: ann@corp\.example\.org\r\n/);
    assert.match(
      first.told,
      /sealed +as ARC set 1 of example\.org, selector a1, chain before: none/,
    );
    // The way back through us: the marks of the first time are taken away, which is a change.
    const second = await pass(first.data.toString());
    assert.match(second.told, /sealed +as ARC set 2 of .*, chain before: pass/);
    const answers = verifyWithDkimpy([first.data, second.data], nsd.address);
    assert.deepEqual(
      answers.map(({ arc }) => arc),
      ["pass", "pass"],
      JSON.stringify(answers),
    );
    for (const { data } of [first, second]) {
      const { arc } = await readSignatures(data, nsd.address);
      assert.equal(arc.result, "pass", JSON.stringify(arc));
    }
    assert.match(
      second.data.toString(),
      /ARC-Authentication-Results: i=2; mx\.example\.org;[^:]*arc=pass/,
    );
  });

  test("a chain that was broken before us gets one seal that says so, and no more", async () => {
    const whole = (await pass(letter("ann@example.org"))).data.toString();
    const broken = await pass(whole.replace("Hello", "Goodbye"));
    assert.match(broken.told, /sealed +as ARC set 2 of .*, chain before: fail/);
    const [answer] = verifyWithDkimpy([broken.data], nsd.address);
    assert.equal(answer?.arc, "ended", JSON.stringify(answer));
    const again = await pass(broken.data.toString());
    assert.match(again.told, /not sealed +because its chain is broken: seal 2 says cv=fail/);
    assert.equal(again.data.toString().match(/^ARC-Seal:/gm)?.length, 2);
  });

  test("mail that nothing was changed of goes as it came", async () => {
    const { data, told } = await pass(letter("somebody@friend.test"));
    assert.doesNotMatch(data.toString(), /ARC-/);
    assert.doesNotMatch(told, /seal/);
  });
});
