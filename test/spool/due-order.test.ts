import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createDueOrder } from "../../src/spool/due-order.ts";
import { OPEN_GATE } from "../../src/spool/lease-due.ts";
import type { EntryFacts, KnownEntry, LeaseGate } from "../../src/spool/spool.ts";

const HOUR = 3_600_000;
const NOW = 100 * HOUR;
const SMALL = 2000;
const LARGE = 20_000_000;

interface Made extends Partial<Omit<EntryFacts, "domains">> {
  readonly dueAt?: number;
  readonly domain?: string;
}

/** An order over entries that are picked once and are active then. */
function openOrder() {
  const slots = new Map<string, KnownEntry>();
  const order = createDueOrder(
    (id) => slots.get(id),
    (id) => assert.fail(`${id} is known`),
  );
  return {
    order,
    slots,
    add(id: string, { dueAt = NOW - HOUR, domain = "x.test", ...facts }: Made = {}) {
      const known = {
        bytes: SMALL,
        receivedAt: NOW - 2 * HOUR,
        attempts: 1,
        crashes: 0,
        isUnreached: false,
        domains: [domain],
        ...facts,
      };
      slots.set(id, { id, state: "due", dueAt, known });
      order.push(id, dueAt);
    },
    pick(now = NOW, gate: LeaseGate = OPEN_GATE): string | null {
      const id = order.pick(now, gate);
      const slot = slots.get(id ?? "");
      if (slot) slots.set(slot.id, { ...slot, state: "active" });
      return id;
    },
  };
}

const FRESH: Made = { attempts: 0, receivedAt: NOW - 1000, dueAt: NOW };
const resting = (name: string, until: number): LeaseGate => ({
  ...OPEN_GATE,
  restsUntil: (domain) => (domain === name ? until : null),
});

/** One hub has the domains that end in `.full`, and so many places for them. */
function gateWithPlaces(places: number) {
  const state = { places, asked: 0 };
  const gate: LeaseGate = {
    ...OPEN_GATE,
    closedBy(domain) {
      state.asked += 1;
      return domain.endsWith(".full") && state.places === 0 ? "hub" : null;
    },
    isClosed: (by) => by === "hub" && state.places === 0,
  };
  return { state, gate };
}

describe("the order of what is due", () => {
  test("a fresh small message does not wait behind ten thousand old large ones", () => {
    const { add, pick } = openOrder();
    for (let i = 0; i < 10_000; i++) add(`old-${i}`, { bytes: LARGE, domain: `d${i % 7}.test` });
    add("fresh", FRESH);
    assert.equal(pick(), "fresh");
  });

  test("fresh comes before old, and small before large", () => {
    const { add, pick } = openOrder();
    add("old-large", { bytes: LARGE });
    add("old-small");
    add("fresh-large", { ...FRESH, bytes: LARGE });
    add("fresh-small", FRESH);
    assert.equal(pick(), "fresh-small");
    assert.equal(pick(), "fresh-large");
    assert.equal(pick(), "old-small");
  });

  test("a message is fresh no longer than an hour", () => {
    const { add, pick } = openOrder();
    add("not-tried-for-hours", { ...FRESH, receivedAt: NOW - 2 * HOUR });
    add("fresh", { ...FRESH, bytes: LARGE });
    assert.equal(pick(), "fresh");
  });

  test("however much fresh mail comes, old mail has every fourth turn", () => {
    const { add, pick } = openOrder();
    for (let i = 0; i < 20; i++) add(`old-${i}`, { bytes: LARGE, dueAt: NOW - HOUR + i });
    const picked: (string | null)[] = [];
    for (let i = 0; i < 80; i++) {
      for (const twice of ["a", "b"]) add(`fresh-${i}${twice}`, FRESH);
      picked.push(pick());
    }
    const old = picked.filter((id) => id?.startsWith("old"));
    assert.deepEqual(
      old,
      Array.from({ length: 20 }, (_, i) => `old-${i}`),
    );
    assert.equal(
      picked.findIndex((id) => id?.startsWith("old")),
      3,
    );
  });

  test("destinations have their turns, however much waits for one of them", () => {
    const { add, pick } = openOrder();
    for (let i = 0; i < 50; i++) add(`big-${i}`, { domain: "big.test" });
    add("small-1", { domain: "small.test" });
    add("small-2", { domain: "small.test" });
    const first = [pick(), pick(), pick(), pick()];
    assert.equal(first.filter((id) => id?.startsWith("small")).length, 2, String(first));
  });

  test("a closed destination is passed over, and asked again when it opens", () => {
    const { add, order, pick } = openOrder();
    add("a", { domain: "closed.test", dueAt: NOW });
    add("b", { domain: "open.test", dueAt: NOW });
    const gate = resting("closed.test", NOW + 5000);
    assert.equal(pick(NOW, gate), "b");
    assert.equal(pick(NOW, gate), null);
    assert.equal(order.nextAt(), NOW + 5000);
    assert.equal(pick(NOW + 5000, OPEN_GATE), "a");
    assert.equal(order.nextAt(), null);
  });

  test("a destination without free places is not waited for", () => {
    const { add, order, pick } = openOrder();
    const { gate } = gateWithPlaces(0);
    add("a", { domain: "a.full", dueAt: NOW - 10 * HOUR });
    assert.equal(pick(NOW, gate), null);
    assert.equal(order.nextAt(), null);
  });

  test("of thousands of domains that wait for one hub none is asked until it has a place", () => {
    const { add, order, pick } = openOrder();
    const { gate, state } = gateWithPlaces(0);
    for (let i = 0; i < 10_000; i++) add(`d${i}`, { domain: `d${i}.full` });
    assert.equal(pick(NOW, gate), null);
    assert.equal(state.asked, 10_000);
    add("other", { domain: "open.test" });
    add("late", { domain: "d7.full", ...FRESH });
    assert.deepEqual([pick(NOW, gate), pick(NOW, gate)], ["other", null]);
    assert.equal(state.asked, 10_001);
    state.places = 1;
    assert.equal(pick(NOW, gate), "late", "fresh comes first among them too");
    assert.equal(state.asked, 10_002);
    state.places = 0;
    // Of the lane that had its turn the rest is asked once more.
    assert.equal(pick(NOW, gate), null);
    assert.equal(state.asked, 10_003);
    assert.equal(order.nextAt(), null);
    state.places = 10_000;
    const rest = new Set(Array.from({ length: 10_000 }, () => pick(NOW, gate)));
    assert.deepEqual([rest.size, rest.has(null), pick(NOW, gate)], [10_000, false, null]);
  });

  test("what waited for a place at a hub that rests by then is waited for", () => {
    const { add, order, pick } = openOrder();
    const { gate, state } = gateWithPlaces(0);
    add("a", { domain: "a.full", dueAt: NOW });
    assert.equal(pick(NOW, gate), null);
    state.places = 1;
    const rests: LeaseGate = { ...gate, restsUntil: () => NOW + 5000 };
    assert.equal(pick(NOW, rests), null);
    assert.equal(order.nextAt(), NOW + 5000);
    assert.equal(pick(NOW + 5000, gate), "a");
  });

  test("a domain that has moved to another hub is looked at when all are", () => {
    const { add, order, pick } = openOrder();
    const { gate } = gateWithPlaces(0);
    add("a", { domain: "a.full" });
    assert.equal(pick(NOW, gate), null);
    const moved: LeaseGate = { ...OPEN_GATE, isClosed: gate.isClosed };
    assert.equal(pick(NOW, moved), null);
    order.reopen();
    assert.equal(pick(NOW, moved), "a");
  });

  test("a rest that ends early is not waited for", () => {
    const { add, order, pick } = openOrder();
    add("a", { dueAt: NOW });
    assert.equal(pick(NOW, resting("x.test", NOW + HOUR)), null);
    assert.equal(pick(), null, "its gate is not asked again and again");
    order.reopen();
    assert.equal(pick(), "a");
  });

  test("what has waited for ten minutes for a resting destination gets its turn all the same", () => {
    const { add, order, pick } = openOrder();
    const gate = resting("rests.test", NOW + 10 * HOUR);
    add("a", { domain: "rests.test", dueAt: NOW });
    assert.equal(pick(NOW, gate), null);
    assert.equal(order.nextAt(), NOW + HOUR / 6);
    assert.equal(pick(NOW + HOUR / 6, gate), "a");
  });

  test("what a process died with is tried alone, the worst first", () => {
    const { add, order, pick, slots } = openOrder();
    add("once", { crashes: 1, domain: "a.test" });
    add("twice", { crashes: 2, domain: "b.test" });
    add("innocent", { domain: "c.test" });
    const picked = new Set([pick(), pick()]);
    assert.deepEqual(picked, new Set(["twice", "innocent"]));
    assert.equal(pick(), null);
    assert.equal(order.nextAt(), NOW + 60_000, "a hub that is slow does not hold it up for ever");
    slots.delete("twice");
    assert.equal(pick(), "once");
  });

  test("a suspect waits for a place as others do, and holds up no other lane", () => {
    const { add, order, pick } = openOrder();
    const { gate, state } = gateWithPlaces(0);
    add("suspect", { crashes: 1, domain: "a.full" });
    add("open", { domain: "open.test" });
    assert.deepEqual([pick(NOW, gate), pick(NOW, gate)], ["open", null]);
    assert.equal(order.nextAt(), null);
    state.places = 1;
    assert.equal(pick(NOW, gate), "suspect");
  });

  test("what is gone, held or put off meanwhile does not come", () => {
    const { add, pick, slots } = openOrder();
    for (const id of ["gone", "held", "later", "stays"]) add(id, { dueAt: NOW - HOUR });
    const change = (id: string, to: Partial<KnownEntry>) =>
      slots.set(id, { ...slots.get(id)!, ...to });
    slots.delete("gone");
    change("held", { state: "held" });
    change("later", { dueAt: NOW + 1 });
    assert.deepEqual([pick(), pick()], ["stays", null]);
  });

  test("an entry that was pushed twice comes once", () => {
    const { add, order, pick } = openOrder();
    add("a");
    order.push("a", NOW);
    assert.deepEqual([pick(), pick()], ["a", null]);
  });
});
