import assert from "node:assert/strict";
import { test } from "node:test";
import { dnsblOptions } from "../../../src/stages/dnsbl/dnsbl-options.ts";
import { countZones } from "../../../src/stages/dnsbl/zone-statistics.ts";
import { weighZones } from "../../../src/stages/dnsbl/zone-worth.ts";

const OPTIONS = dnsblOptions.parse({
  lists: [
    { zone: "a.test", score: 4 },
    { zone: "b.test", name: "paid list", score: 3 },
    { zone: "c.test", score: 6 },
    { zone: "good.test", score: -3 },
  ].map(({ name, ...list }) => (name ? { ...list, name: "paid.test" } : list)),
});

async function* stored(...clients: readonly (readonly [string, Record<string, string>])[]) {
  for (const [client, said] of clients)
    yield {
      at: 0,
      evidence: {
        client,
        zones: Object.entries(said).map(([zone, status]) => ({ zone, status, answers: [] })),
      },
    };
}

const zonesOf = (a: string, b: string, c: string) => ({
  "a.test": a,
  "b.test": b,
  "c.test": c,
  "good.test": "clean",
});

test("each list is told with what it alone finds, what it shares, and whom it decides about", async () => {
  const statistics = await countZones(
    stored(
      ["10.0.0.1", zonesOf("listed", "listed", "clean")],
      ["10.0.0.2", zonesOf("listed", "listed", "clean")],
      ["10.0.0.3", zonesOf("listed", "clean", "clean")],
      ["10.0.0.4", zonesOf("listed", "listed", "listed")],
      ["10.0.0.5", zonesOf("clean", "clean", "clean")],
      ["10.0.0.6", zonesOf("clean", "temporary", "disabled")],
      ["10.0.0.1", zonesOf("clean", "clean", "clean")],
    ),
  );
  assert.equal(statistics.clients, 6, "each client counts once, as it was seen last");
  const [a, b, c, good] = weighZones(statistics, OPTIONS);
  assert.ok(a && b && c && good);
  assert.deepEqual([a.listed, a.alone, a.decides], [4, 1, 2]);
  assert.deepEqual(a.overlap, { label: "paid.test", clients: 3 });
  assert.deepEqual([b.listed, b.alone, b.decides, b.silent, b.reason], [3, 0, 2, 1, "temporary"]);
  assert.deepEqual(
    [c.listed, c.alone, c.decides, c.silent],
    [1, 0, 0, 1],
    "c is nobody's only reason",
  );
  assert.deepEqual([good.listed, good.decides, good.answered], [0, null, 6]);
});

test("evidence of another shape is passed over", async () => {
  const odd = [null, 7, { client: "10.0.0.1" }, { client: "10.0.0.1", zones: [{ zone: 1 }] }];
  const statistics = await countZones(
    (async function* () {
      for (const evidence of odd) yield { evidence };
    })(),
  );
  assert.deepEqual(statistics, { clients: 0, patterns: [], zones: [] });
});

test("where a zone has several scores it is not said whom it decides about", async () => {
  const options = dnsblOptions.parse({
    lists: [
      { zone: "a.test", answers: ["127.0.0.2"], score: 6 },
      { zone: "a.test", answers: ["127.0.0.3"], score: 1 },
    ],
  });
  const statistics = await countZones(stored(["10.0.0.1", { "a.test": "listed" }]));
  const [a] = weighZones(statistics, options);
  assert.deepEqual([a?.scores, a?.listed, a?.decides], [[6, 1], 1, null]);
});

test("time is told of the questions that were asked, also where stored evidence has none", async () => {
  async function* evidence() {
    for (const [i, tookMs] of [
      [1, 10],
      [2, 21],
      [3, undefined],
    ] as const) {
      const zone = { zone: "a.test", status: "clean", answers: [], ...(tookMs && { tookMs }) };
      yield { at: 0, evidence: { client: `10.0.0.${i}`, zones: [zone] } };
    }
  }
  const statistics = await countZones(evidence());
  const [a, b] = weighZones(statistics, OPTIONS);
  assert.deepEqual([a?.meanMs, a?.answered, b?.meanMs], [16, 3, null]);
});
