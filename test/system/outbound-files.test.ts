import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PolicyError } from "../../src/base/errors.ts";
import { LETTER, MESSAGE, withUsers } from "../support/outbound-scene.ts";
import { runPostern } from "../support/run-postern.ts";
import { startTestGateway } from "../support/test-gateway.ts";
import { createUserFile, logOn, securedClient, submit } from "../support/user-file.ts";

for (const workers of [1, 2]) {
  test(`a file of users that others can read stops the start, with the reason (workers: ${workers})`, async () => {
    await using users = await createUserFile({ alice: "secret" });
    await chmod(users.path, 0o644);
    const listener = { name: "inside", kind: "hub", listen: "127.0.0.1:0", auth: users.path };
    const settings = { workers, listeners: [listener] };
    const error = await startTestGateway({ hubPort: 9, settings }).then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PolicyError, String(error));
    assert.match(error.message, /users\.txt:1:1 {2}others can read or change it \(mode 0644\)/);
  });
}

test("a file is judged as mail of ours on request, and counts for nobody", () => {
  const rates = { messages: { perHour: 1, atOnce: 1 } };
  return withUsers({ policies: { rates } }, async ({ edge }) => {
    const file = join(edge.folder, "letter.eml");
    await writeFile(file, MESSAGE);
    const judge = async (...more: readonly string[]) => {
      const who = ["--ip", "127.0.0.1", "--helo", "hub.inside", "--from", LETTER.from];
      const words = ["judge", file, ...who, "--to", LETTER.to, "--json", ...more];
      const { code, text } = await runPostern(edge, ...words);
      return { code, answer: JSON.parse(text) };
    };
    const stranger = await judge();
    assert.deepEqual([stranger.code, stranger.answer.cause], [1, "relay-denied"]);
    for (let i = 0; i < 2; i++) {
      const { code, answer } = await judge("--outbound");
      assert.deepEqual([code, answer.action], [0, "relay"]);
      const stages = answer.stages.map(({ stage }: { stage: string }) => stage);
      assert.ok(stages.includes("sender-rate") && !stages.includes("spf"), stages.join());
    }
    const client = await securedClient(edge);
    await logOn(client, "alice@example.org", "secret");
    assert.equal((await submit(client, LETTER)).code, 250);
    assert.match((await submit(client, LETTER)).text, /^450 4\.7\.1 /);
    client.destroy();
  });
});
