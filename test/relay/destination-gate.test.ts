import assert from "node:assert/strict";
import { test } from "node:test";
import { createDestinationGate } from "../../src/relay/destination-gate.ts";

const NOW = 0;

function openGate(
  rests: ReadonlyMap<string, number> = new Map(),
  moved: { readonly to?: string } = {},
) {
  const recovered: ((domain: string) => boolean)[] = [];
  const gate = createDestinationGate({
    // a.x.test and b.x.test share their hubs.
    destinationOf: (domain) => ({
      key: moved.to ?? domain.split(".").slice(-2).join("."),
      isForeign: domain.endsWith(".foreign"),
    }),
    restsUntil: (destination) => rests.get(destination) ?? null,
    recovered: (isReached) => void recovered.push(isReached),
  });
  const take = (domain: string) => {
    let taken = 0;
    for (; gate.closedBy(domain) === null; taken++) gate.took(domain);
    return taken;
  };
  const end = (domain: string, unreached = false) =>
    gate.ended(domain, unreached ? { reached: [], unreached: [domain] } : reach(domain));
  const reach = (domain: string) => ({ reached: [domain], unreached: [] });
  return { gate, recovered, take, end };
}

test("one destination has twenty places, and its domains share them", () => {
  const { gate, take, end } = openGate();
  assert.equal(take("a.x.test"), 20);
  assert.equal(gate.closedBy("b.x.test"), "x.test");
  assert.equal(gate.closedBy("y.test"), null);
  assert.ok(gate.isClosed("x.test"));
  end("a.x.test");
  assert.ok(!gate.isClosed("x.test"));
  assert.equal(gate.closedBy("b.x.test"), null);
});

test("however many destinations are slow, the next one finds a place", () => {
  const { gate, take } = openGate();
  const taken = Array.from({ length: 8 }, (_, i) => take(`slow-${i}.test`));
  assert.deepEqual(taken, [20, 20, 20, 20, 10, 5, 3, 1]);
  assert.equal(gate.free(), 1);
});

test("servers that DNS names leave a quarter to our hubs, though none of theirs answers", () => {
  const { gate, take, end } = openGate();
  for (let i = 0; i < 100; i++) take(`d${i}.foreign`);
  assert.equal(gate.free(), 25);
  const by = gate.closedBy("another.foreign");
  assert.ok(by !== null && gate.isClosed(by));
  assert.equal(take("a.x.test"), 13);
  end("d0.foreign");
  assert.ok(!gate.isClosed(by));
  assert.equal(take("another.foreign"), 1);
});

test("a place is given back as it was taken, though a reload has changed the routing", () => {
  const moved: { to?: string } = {};
  const { gate, take, end } = openGate(undefined, moved);
  assert.equal(take("a.x.test"), 20);
  moved.to = "hub or backup";
  for (let i = 0; i < 20; i++) end("a.x.test");
  assert.equal(gate.free(), 100);
  delete moved.to;
  assert.equal(take("a.x.test"), 20);
});

test("a destination that nobody reached has one attempt at a time until it answers", () => {
  const { recovered, gate, take, end } = openGate();
  assert.equal(take("a.x.test"), 20);
  for (let i = 0; i < 20; i++) end("a.x.test", true);
  assert.equal(take("a.x.test"), 1);
  assert.equal(gate.closedBy("b.x.test"), "x.test");
  assert.equal(recovered.length, 0);
  end("a.x.test");
  assert.equal(recovered.length, 1);
  assert.deepEqual(["b.x.test", "y.test"].map(recovered[0]!), [true, false]);
  assert.equal(take("b.x.test"), 20);
  for (let i = 0; i < 20; i++) end("b.x.test");
  assert.equal(recovered.length, 1, "once");
});

test("a destination that rests is left alone as long as it does", () => {
  const rests = new Map([["x.test", 5000]]);
  const { gate, take } = openGate(rests);
  assert.equal(gate.restsUntil("a.x.test", NOW), 5000);
  assert.equal(take("y.test"), 20);
  rests.clear();
  assert.equal(gate.restsUntil("a.x.test", NOW), null);
});

test("of endless failing destinations only the latest are remembered", () => {
  const { take, end } = openGate();
  for (let i = 0; i < 10_001; i++) end(`d${i}.test`, true);
  assert.equal(take("d0.test"), 20);
  assert.equal(take("d10000.test"), 1);
});
