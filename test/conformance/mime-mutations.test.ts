import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { conformanceData } from "../support/conformance-data.ts";
import { type WalkedMime, walkMime } from "../support/walk-mime.ts";

/** Larger ones have the same structure and make each run slow. */
const MESSAGE_BYTES_MAX = 8192;

const SETS = ["python-email", "ruby-mail"] as const;

type Mutation =
  | { readonly kind: "drop" | "repeat"; readonly at: number; readonly bytes: number }
  | { readonly kind: "insert"; readonly at: number; readonly octets: string };

/** What changes the meaning of everything around it. */
const SHARP = ["\r\n", "\r", "\n\n", "--", '"', "(", ";", "=", "\\", "\0", "\xff", " ", "*0*="];

const at = fc.double({ min: 0, max: 1, noNaN: true });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("drop" as const, "repeat" as const),
    at,
    bytes: fc.integer({ min: 1, max: 200 }),
  }),
  fc.record({ kind: fc.constant("insert" as const), at, octets: fc.constantFrom(...SHARP) }),
);

for (const set of SETS) {
  const { folder, skip } = conformanceData(set);

  test(`mail of ${set}, damaged at will, gives one sound tree however it is cut`, {
    skip,
  }, async () => {
    const messages = messagesIn(folder);
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: messages.length - 1 }),
        fc.array(mutation, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        async (index, mutations, steps) => {
          const damaged = mutations.reduce(mutate, messages[index] ?? Buffer.alloc(0));
          const whole = await walkMime(damaged);
          const pieces = await walkMime(cut(damaged, steps));
          assert.deepEqual(pieces.tree, whole.tree);
          assert.deepEqual(pieces.bodies, whole.bodies);
          assertSound(whole);
        },
      ),
      { numRuns: 200 },
    );
  });
}

function assertSound({ tree, bodies, calls }: WalkedMime): void {
  const paths = tree.parts.map(({ path }) => path);
  assert.equal(new Set(paths).size, paths.length, "each path once");
  for (const part of tree.parts) {
    assert.equal(bodies.get(part.path)?.length, part.decodedBytes);
    const parent = part.path.slice(0, Math.max(0, part.path.lastIndexOf(".")));
    assert.ok(parent === "" ? part.path === "1" : paths.includes(parent), part.path);
    assert.equal(part.depth, part.path.split(".").length - 1);
  }
  for (const verb of ["open", "close"]) {
    const called = calls.filter((call) => call.startsWith(verb)).map((call) => call.split(" ")[1]);
    assert.deepEqual(called.toSorted(), paths.toSorted(), verb);
  }
}

function mutate(message: Buffer, change: Mutation): Buffer {
  const position = Math.floor(change.at * message.length);
  const before = message.subarray(0, position);
  const behind = message.subarray(position);
  if (change.kind === "insert") {
    return Buffer.concat([before, Buffer.from(change.octets, "latin1"), behind]);
  }
  if (change.kind === "drop") return Buffer.concat([before, behind.subarray(change.bytes)]);
  return Buffer.concat([before, behind.subarray(0, change.bytes), behind]);
}

/** The steps are used in turn. */
function cut(message: Buffer, steps: readonly number[]): readonly Buffer[] {
  const chunks: Buffer[] = [];
  for (let from = 0, i = 0; from < message.length; i++) {
    const step = steps[i % steps.length] ?? 1;
    chunks.push(message.subarray(from, from + step));
    from += step;
  }
  return chunks;
}

function messagesIn(folder: string): readonly Buffer[] {
  const messages = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /(^|\/)msg_.*\.txt$|\.eml$/.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name)))
    .filter(({ length }) => length <= MESSAGE_BYTES_MAX);
  assert.ok(messages.length > 40, `only ${messages.length} messages in ${folder}`);
  return messages;
}
