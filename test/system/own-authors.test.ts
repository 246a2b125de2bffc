import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { makeSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { describeStory } from "../../src/cli/explain.ts";
import { LETTER, type Scene, withUsers } from "../support/outbound-scene.ts";
import { logOn, securedClient, submit } from "../support/user-file.ts";
import { storyOf } from "../support/with-edge.ts";

const FORGED = LETTER.message.replace("alice@", "ceo@");

/** Alice, logged on, at a gateway that signs for example.org; the replies to her letters. */
async function asAlice({ edge }: Scene, messages: readonly string[]) {
  const { folder } = edge;
  const key = `${folder}/policies/s1.pem`;
  await writeFile(key, makeSigningKey("rsa", 2048));
  await chmod(key, 0o600);
  const signing = "keys: { example.org: { selector: s1, file: s1.pem } }\n";
  await writeFile(`${folder}/policies/signing.yaml`, signing);
  await edge.gateway.reloadPolicy();
  const client = await securedClient(edge);
  await logOn(client, "alice@example.org", "secret");
  const replies: string[] = [];
  for (const message of messages) replies.push((await submit(client, { ...LETTER, message })).text);
  client.destroy();
  return replies;
}

const withMode = (mode: string) => ({
  pipeline: { outbound: { ownAuthors: { password: { mode } } } },
});

test("a user is refused the From of another, and gets his own signed", () =>
  withUsers({ policies: withMode("refuse") }, async (scene) => {
    const { edge, hub } = scene;
    const [forged, own] = await asAlice(scene, [FORGED, LETTER.message]);
    assert.match(
      forged!,
      /^550 5\.7\.1 You may not send as ceo@example\.org, whom From names \(ref /,
    );
    assert.match(own!, /^250 /);
    const [message] = await hub.waitForMessages(1);
    assert.match(message!.data.toString("latin1"), /^DKIM-Signature: /);
    const decided = await edge.waitForLog("decided");
    assert.deepEqual([decided.cause, decided.stage], ["author-not-own", "own-author"]);
    assert.deepEqual(decided.symbols, ["RELAY_PERMITTED", "AUTHOR_NOT_OWN"]);
    const told = describeStory(await storyOf(edge, String(decided.id))).join("\n");
    assert.match(told, /own-author: reject, cause author-not-own/);
    assert.match(told, /From is ceo@example\.org/);
    assert.match(told, /AUTHOR_NOT_OWN 0: Alice@example\.org may not write as ceo@example\.org/);
    const { host, port } = edge.gateway.status!;
    const exposed = await (await fetch(`http://${host}:${port}/metrics`)).text();
    assert.match(exposed, /postern_findings_total\{[^}]*symbol="AUTHOR_NOT_OWN"[^}]*\} 1/);
    assert.match(exposed, /postern_decisions_total\{[^}]*cause="author-not-own"[^}]*\} 1/);
  }));

test("with unsigned it goes out as it is, without our signature", () =>
  withUsers({ policies: withMode("unsigned") }, async (scene) => {
    const { edge, hub } = scene;
    const [forged] = await asAlice(scene, [FORGED]);
    assert.match(forged!, /^250 /);
    const [message] = await hub.waitForMessages(1);
    assert.doesNotMatch(message!.data.toString("latin1"), /DKIM-Signature/i);
    const decided = await edge.waitForLog("decided");
    const reason = "Alice@example.org may not write as ceo@example.org";
    assert.deepEqual(decided.signing, [`unsigned: ${reason}`]);
    const told = describeStory(await storyOf(edge, String(decided.id))).join("\n");
    assert.match(told, /not signed +because Alice@example\.org may not write as ceo@example\.org/);
    assert.match(told, /it is not to be signed/);
  }));
