import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { type Edge, startEdge } from "../support/smtp-edge.ts";

const SESSIONS = Number(process.env.FUZZ_SESSIONS ?? 150);

const line = fc.oneof(
  fc.constantFrom(
    ...["EHLO client.test", "HELO client.test", "EHLO", "MAIL FROM:<>", "MAIL FROM:<a@b.test>"],
    ...["MAIL FROM:<a@b.test> SIZE=99999999", "MAIL FROM:<ü@b.test> SMTPUTF8", "MAIL FROM:<@>"],
    ...["RCPT TO:<bob@example.org>", "RCPT TO:<bob@example.org> X=1", "RCPT TO:<b\0b@x.test>"],
    ...["RSET", "NOOP", "VRFY bob", "EXPN x", "HELP", "", " ", "FOO BAR", "AUTH PLAIN", "QUIT"],
    ...["DATA now", "x".repeat(3000), "MAIL FROM:<bob>>", 'RCPT TO:<"a@b.test>', "\x7f", "é"],
  ),
  fc.string().map((text) => text.replaceAll(/[\r\n]/g, "")),
);
const body = fc
  .array(fc.constantFrom("\r\n", ".", "..", "\r", "\n", "\0", "text", "MAIL FROM:<>\r\n"), {
    maxLength: 8,
  })
  .map((parts) => `${parts.join("").replaceAll("\r\n.\r\n", "")}x\r\n.\r\n`);
/** Lines sent at once, DATA at the end or not, and the message in case it is wanted. */
const group = fc.record({
  lines: fc.array(line, { maxLength: 6 }),
  data: fc.boolean(),
  body,
  cuts: fc.array(fc.nat(60), { maxLength: 3 }),
});

async function sendCut(client: RawClient, text: string, cuts: readonly number[]): Promise<void> {
  const octets = Buffer.from(text);
  const ends = [...cuts, octets.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    if (end > start) await client.sendNow(octets.subarray(start, end));
    start = Math.max(start, Math.min(end, octets.length));
  }
}

/** True while the session goes on: as many replies as commands, and not one more. */
async function exchange(
  client: RawClient,
  { lines, data, body, cuts }: { lines: string[]; data: boolean; body: string; cuts: number[] },
): Promise<boolean> {
  const commands = data ? [...lines, "DATA"] : lines;
  await sendCut(client, commands.map((text) => `${text}\r\n`).join(""), cuts);
  for (const command of commands) {
    const { code, text } = await client.reply();
    if (code === 354) assert.equal(command, "DATA");
    if (code === 221 || code === 421 || /^500 5\.5\.2 This is/.test(text)) return false;
    if (code !== 354) continue;
    await sendCut(client, body, cuts);
    assert([250, 550].includes((await client.reply()).code));
  }
  return true;
}

async function playSession(
  edge: Edge,
  groups: readonly Parameters<typeof exchange>[1][],
): Promise<void> {
  const client = await edge.greeted();
  try {
    for (const each of groups) {
      if (await exchange(client, each)) continue;
      assert.equal(await client.closed(), "");
      return;
    }
    assert.equal((await client.say("NOOP")).text, "250 2.0.0 OK");
    assert.equal(client.pending, "");
  } finally {
    client.destroy();
  }
}

test(`${SESSIONS} sessions of nonsense get one reply a command and none of them hangs`, async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler, {
    limits: {
      connections: { newPerClientPerMinute: 1_000_000, perClient: 1000 },
      session: { errorsSoft: 1000, errorsHard: 1000 },
    },
  });
  await fc.assert(
    fc.asyncProperty(fc.array(group, { maxLength: 5 }), (groups) => playSession(edge, groups)),
    { numRuns: SESSIONS },
  );
  await edge.drain(5000);
  assert(handler.sessions.every(({ closed }) => closed !== null && closed !== "fault"));
});
