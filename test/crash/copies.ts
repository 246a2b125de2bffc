import assert from "node:assert/strict";
import type { ScriptedHub } from "../support/scripted-hub.ts";
import { numberOf, toMessage } from "./gateway-load.ts";

/** For each message and recipient the connections that carried a copy. None was changed. */
export function copiesAt(hub: ScriptedHub): ReadonlyMap<string, readonly number[]> {
  const copies = new Map<string, number[]>();
  for (const { data, recipients, connection } of hub.messages) {
    const number = numberOf(data);
    const { octets } = toMessage(number);
    assert.ok(data.subarray(-octets.length).equals(octets), `message ${number} was changed`);
    for (const recipient of recipients) {
      const key = `${number} ${recipient}`;
      copies.set(key, [...(copies.get(key) ?? []), connection]);
    }
  }
  return copies;
}

/**
 * Each connection that a crash cut may have carried one message that comes again, and no more.
 * Returns how many did.
 */
export function assertFewDoubles(copies: ReadonlyMap<string, readonly number[]>): number {
  const doubled = new Map<number, Set<string>>();
  for (const [key, connections] of copies)
    for (const connection of [...connections].sort((a, b) => a - b).slice(0, -1)) {
      const [number = ""] = key.split(" ");
      doubled.set(connection, (doubled.get(connection) ?? new Set()).add(number));
    }
  for (const [connection, numbers] of doubled)
    assert.equal(numbers.size, 1, `connection ${connection} doubled ${[...numbers]}`);
  return doubled.size;
}
