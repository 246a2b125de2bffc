import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import type { Arrival } from "../../src/smtp/session-host.ts";
import {
  createArrivals,
  type HandedArrival,
  NOTHING_TO_REPORT,
} from "../../src/workers/arrivals.ts";

const LISTENER = { name: "internet", kind: "internet", hostname: "mx.test" } as const;

function toArrival(): Arrival {
  return {
    socket: new Socket(),
    client: { ip: "192.0.2.1", port: 1, listener: LISTENER },
    head: Buffer.alloc(0),
    isKnown: false,
    unknownBefore: 0,
  };
}

/** Two processes that take what they are handed. */
function hall() {
  const handed: { readonly host: string; readonly connection: number }[] = [];
  const down = new Set<string>();
  const hosts = ["a", "b"].map((name) => ({
    name,
    channel: () =>
      down.has(name)
        ? null
        : {
            hand: (about: unknown) =>
              void handed.push({ host: name, connection: (about as HandedArrival).connection }),
          },
  }));
  const arrivals = createArrivals(() => hosts);
  const places = { left: 0 };
  const admit = (arrival = toArrival()) =>
    arrivals.admit(arrival, () => {
      places.left += 1;
    });
  const crowd = (name: string) => handed.filter(({ host }) => host === name).length;
  return { arrivals, admit, crowd, down, handed, places };
}

test("clients go to the process that has the fewest", () => {
  const { arrivals, admit, crowd, handed } = hall();
  for (let i = 0; i < 4; i++) admit();
  assert.deepEqual([crowd("a"), crowd("b")], [2, 2]);
  for (const { host, connection } of handed.slice())
    if (host === "a") arrivals.left({ connection, report: NOTHING_TO_REPORT });
  admit();
  admit();
  assert.deepEqual([crowd("a"), crowd("b")], [4, 2]);
});

test("a place is given back once, when its client leaves", () => {
  const { arrivals, admit, handed, places } = hall();
  admit();
  const { connection } = handed[0]!;
  for (let i = 0; i < 2; i++) arrivals.left({ connection, report: NOTHING_TO_REPORT });
  assert.equal(places.left, 1);
});

test("a process that is gone gives back the places of those who sat in it", () => {
  const { arrivals, admit, down, handed, places } = hall();
  admit();
  admit();
  for (const { connection } of handed.slice()) arrivals.seated(connection);
  down.add("a");
  arrivals.gone("a", () => assert.fail("refused"));
  assert.equal(places.left, 1);
  assert.equal(handed.length, 2);
});

test("who was on his way to a process that is gone goes to another", () => {
  const { arrivals, admit, crowd, down, places } = hall();
  admit();
  down.add("a");
  arrivals.gone("a", () => assert.fail("refused"));
  assert.deepEqual([crowd("a"), crowd("b"), places.left], [1, 1, 0]);
});

test("when no process is there nobody is admitted, and who was on his way is refused", () => {
  const { arrivals, admit, down, places } = hall();
  const waiting = toArrival();
  admit(waiting);
  down.add("a").add("b");
  const refused: Arrival[] = [];
  arrivals.gone("a", (arrival) => refused.push(arrival));
  assert.deepEqual(refused, [waiting]);
  assert.equal(places.left, 1);
  assert.equal(admit(), false);
});

test("the copy of a socket is closed once the process has its own", () => {
  const { arrivals, admit, handed } = hall();
  const arrival = toArrival();
  admit(arrival);
  assert.equal(arrival.socket.destroyed, false);
  arrivals.seated(handed[0]!.connection);
  assert.equal(arrival.socket.destroyed, true);
});
