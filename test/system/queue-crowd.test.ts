import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { QueueRow } from "../../src/control/queue-selection.ts";
import { afterwards } from "../support/afterwards.ts";
import { runPostern } from "../support/run-postern.ts";
import { type HubAction, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

const MESSAGES = 40;
const OPERATORS = 6;
const ORDERS_EACH = 20;
const AWAY: HubAction = { drop: true, reply: "421 4.3.2 not now" };
/** Each operator gives them in turn, beginning somewhere else. */
const ORDERS = ["hold", "retry", "hold", "show", "export", "hold", "list", "release"];
const TO_ALL: Readonly<Record<string, readonly string[]>> = { list: [], release: ["--all"] };
/** Somebody else was first. */
const EXPECTED =
  /: done$|held already|is not held|is being delivered right now|is not in the queue|nothing waits under|nothing in the queue fits|is there already/;

for (const workers of [1, 2])
  test(`a crowd that steers the queue at once loses nothing and sends nothing twice, with ${workers} workers`, async (t) => {
    let mail: HubAction;
    const hub = await startScriptedHub({
      script: ({ step }) => (step === "mail" ? mail : undefined),
    });
    afterwards(t, () => hub.close());
    const connector = {
      domains: ["kept.test", "dropped.test"],
      smarthosts: [`127.0.0.1:${hub.port}`],
    };
    const domains = Object.fromEntries(
      connector.domains.map((name) => [name, { verify: "off", ack: "spool" }]),
    );
    const edge = await startTestGateway({
      hubPort: hub.port,
      policies: {
        domains: { domains },
        routing: { connectors: { hub: connector } },
        limits: {
          connections: { newPerClientPerMinute: 10_000 },
          delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 },
        },
      },
      settings: { workers },
    });
    afterwards(t, () => edge.remove());
    const queue = (...argv: string[]) => runPostern(edge, "queue", ...argv);

    mail = AWAY;
    const toSend = Array.from({ length: MESSAGES }, (_, i) =>
      i % 4 === 0 ? `r${i}@dropped.test` : `r${i}@kept.test`,
    );
    for (const to of toSend) {
      const { final } = await sendMail({ port: edge.port, to: [to], message: SIMPLE_MESSAGE });
      assert.equal(final?.code, 250);
    }
    const rows: readonly QueueRow[] = (await queue("list", "--json")).out.map((line) =>
      JSON.parse(line),
    );
    const ids = rows.map(({ id }) => id);
    assert.equal(ids.length, MESSAGES);

    const answers: string[] = [];
    const operate = async (operator: number) => {
      for (let turn = 0; turn < ORDERS_EACH; turn++) {
        // The hub comes and goes under their hands.
        mail = (turn + operator) % 5 === 0 ? undefined : AWAY;
        const order = ORDERS[(turn + operator) % ORDERS.length]!;
        const id = ids[(7 * turn + 11 * operator) % MESSAGES]!;
        const { code, text, err } = await queue(order, ...(TO_ALL[order] ?? [id]));
        answers.push(code === 0 ? `${order}: done` : `${order}: ${text}${err.join()}`);
      }
    };
    const drop = async () => {
      for (let turn = 0; turn < ORDERS_EACH; turn++)
        await queue("drop", "--domain", "dropped.test");
    };
    await Promise.all([...Array.from({ length: OPERATORS }, (_, i) => operate(i)), drop(), drop()]);
    assert.deepEqual(
      answers.filter((answer) => !EXPECTED.test(answer)),
      [],
    );
    for (const order of ORDERS) assert.ok(answers.includes(`${order}: done`), order);

    mail = undefined;
    await waitUntil(
      () => "the queue does not end",
      async () => {
        await queue("release", "--all");
        return (await queue("list")).text === "the queue is empty" || undefined;
      },
      60_000,
    );
    const got = hub.messages.flatMap(({ recipients }) => recipients);
    assert.equal(new Set(got).size, got.length, "somebody got it twice");
    assert.deepEqual(
      toSend.filter((to) => to.endsWith("@kept.test") && !got.includes(to)),
      [],
    );
    for (const folder of ["held", "due", "active"])
      assert.deepEqual(readdirSync(join(edge.folder, "data/spool", folder)), []);
    assert.deepEqual(
      edge.log.filter(({ level }) => level === "error"),
      [],
    );
  });
