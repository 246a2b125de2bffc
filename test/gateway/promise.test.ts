import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { createSystemClock } from "../../src/base/clock.ts";
import { Unavailable } from "../../src/base/errors.ts";
import { createIds } from "../../src/base/ids.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { createReceiver } from "../../src/gateway/receive.ts";
import type { ReceiveDeps } from "../../src/gateway/receive-deps.ts";
import type { EnvelopeRecipient } from "../../src/mail/envelope.ts";
import { createMessageStore } from "../../src/mail/message-store.ts";
import { createFactBus, type TransactionRecord } from "../../src/pipeline/facts.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import type { PolicySnapshot } from "../../src/policy/snapshot.ts";
import { createMailSigner } from "../../src/relay/mail-signer.ts";
import type { AttemptResult, Leg } from "../../src/relay/relay.ts";
import type { Reply } from "../../src/smtp/reply.ts";
import type { RecipientFate, SendOutcome } from "../../src/smtp/smtp-client.ts";
import { createCatalog, type StageServices } from "../../src/stages/catalog.ts";
import { SIMPLE_MESSAGE } from "../support/send-mail.ts";
import { toAddress } from "../support/spool-item.ts";
import { waitUntil } from "../support/wait-until.ts";

const clock = createSystemClock();
let folder = "";
let snapshot: PolicySnapshot<StageServices>;

const POLICY = {
  "domains.yaml": `domains:
  one.test: { verify: "off" }
  two.test: { verify: "off" }
  held.test: { verify: "off", thresholds: { quarantine: 0, reject: null } }
`,
  "routing.yaml": `connectors:
  first: { domains: [one.test, held.test, journal.test], smarthosts: ["127.0.0.1:1"] }
  second: { domains: [two.test], smarthosts: ["127.0.0.1:2"] }
`,
  "pipeline.yaml": `phases:
  connect: { steps: [] }
  mail: { steps: [] }
  rcpt: { steps: [[domains], [copies]] }
  data: { steps: [] }
`,
  "rewriting.yaml": `copies:
  - { recipients: [two.test, b@one.test, held.test], to: copies@journal.test }
`,
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-promise-"));
  for (const [name, text] of Object.entries(POLICY)) await writeFile(join(folder, name), text);
  snapshot = await loadPolicy({ folder, catalog: createCatalog(), clock });
});
after(() => rm(folder, { recursive: true, force: true }));

const JOURNAL = "copies@journal.test";

type Answered = Extract<AttemptResult, { kind: "answered" }>;
type Ending = SendOutcome["kind"] | "bug";

/** What the world does to one message. */
interface World {
  /** By recipient, when the hub answers. */
  readonly fates: Readonly<Record<string, RecipientFate["kind"]>>;
  /** By hub: how the attempt ends, and whether only after the client could wait no longer. */
  readonly legs: Readonly<Record<string, { readonly ending: Ending; readonly isLate: boolean }>>;
  readonly spool: boolean;
  readonly quarantine: boolean;
  readonly settle: boolean;
}

/** Who has which recipient's copy in the end. */
function createKeepers(world: World) {
  const kept = {
    hub: [] as string[],
    spool: [] as string[],
    held: new Map<string, string[]>(),
    /** Blind copies, by whether they may go out. */
    copies: new Map<object, "leased" | "due">(),
  };
  const settled: string[] = [];
  const spoken = (recipients: readonly EnvelopeRecipient[]) =>
    recipients.map(({ address }) => address.spoken);
  const toFates = ({ envelope }: Leg): readonly RecipientFate[] =>
    envelope.recipients.map(({ address }) => {
      const kind = world.fates[address.spoken] ?? "accepted";
      if (kind === "accepted") kept.hub.push(address.spoken);
      const code = { accepted: 250, refused: 550, later: 450 }[kind];
      return { kind, reply: { code, status: null, text: "said the hub" } };
    });
  const toOutcome = (leg: Leg, ending: Ending): SendOutcome => {
    if (ending === "bug") throw new TypeError("on purpose");
    if (ending === "answered") return { kind: ending, fates: toFates(leg) };
    if (ending === "unsent") return { kind: ending, reason: "away", reply: null };
    return { kind: "uncertain", reason: "cut" };
  };
  const addCopy = (item: { envelope: Leg["envelope"] }) => {
    demand(world.spool, "spool");
    const lease = {
      item,
      retry: async () => {
        demand(world.settle, "spool");
        kept.copies.set(lease, "due");
      },
      remove: async () => void kept.copies.delete(lease),
    };
    kept.copies.set(lease, "leased");
    return lease;
  };
  const attempt = async (leg: Leg): Promise<AttemptResult> => {
    const hub = leg.envelope.recipients[0]?.address.domain === "two.test" ? "second" : "first";
    const { ending, isLate } = world.legs[hub]!;
    const outcome = toOutcome(leg, ending);
    if (isLate || outcome.kind === "uncertain")
      return { kind: "pending", hub, settled: Promise.resolve(outcome) };
    return { ...outcome, hub };
  };
  const demand = (isThere: boolean, what: string) => {
    if (!isThere) throw new Unavailable(what, "away");
  };
  const add = async (item: { envelope: Leg["envelope"] }, source: AsyncSource) => {
    for await (const _ of source.read());
    demand(world.spool, "spool");
    kept.spool.push(...spoken(item.envelope.recipients));
    return item;
  };
  const addLeased = async (item: { envelope: Leg["envelope"] }, source: AsyncSource) =>
    spoken(item.envelope.recipients).includes(JOURNAL) ? addCopy(item) : add(item, source);
  const relay = {
    attempt,
    // The end of an attempt frees what could not be freed before.
    adopt: (lease: object) => void (kept.copies.has(lease) && kept.copies.set(lease, "due")),
    async settleAnswered(leg: Leg, _source: unknown, { fates }: Answered) {
      const refused = leg.envelope.recipients.filter((_, i) => fates[i]?.kind === "refused");
      if (refused.length > 0) demand(world.settle, "quarantine");
      settled.push(...spoken(refused));
    },
    offers: () => ({ maxBytes: null, eightBitMime: true, smtpUtf8: true }),
    wake: () => {},
  };
  const quarantine = {
    async hold(item: { envelope: Leg["envelope"] }) {
      demand(world.quarantine, "quarantine");
      const id = `hold ${kept.held.size}`;
      kept.held.set(id, spoken(item.envelope.recipients));
      return { ...item, id };
    },
    delete: async (id: string) => kept.held.delete(id),
  };
  const spool = { add, addLeased };
  const everyone = () =>
    new Set([...kept.hub, ...kept.spool, ...settled, ...[...kept.held.values()].flat()]);
  return { parts: { relay, quarantine, spool }, kept, everyone };
}

interface AsyncSource {
  read(): AsyncIterable<Buffer>;
}

interface Told {
  readonly reply: Reply;
  readonly records: readonly TransactionRecord[];
}

async function receive(
  world: World,
  to: readonly string[],
): Promise<Told & Omit<ReturnType<typeof createKeepers>, "parts">> {
  const { parts, ...keepers } = createKeepers(world);
  const records: TransactionRecord[] = [];
  const facts = createFactBus((error) => assert.fail(String(error)));
  facts.listen((fact) => fact.kind === "decided" && records.push(fact.record));
  const messages = createMessageStore({ tempDir: folder });
  const policy = { current: () => snapshot } as ReceiveDeps["policy"];
  const deps = {
    ...parts,
    policy,
    facts,
    messages,
    clock,
    ids: createIds(clock),
    log: createSilentLog(),
    signer: createMailSigner({ clock, log: createSilentLog(), metrics: createMetrics() }),
    authservIds: ["mx.example.org"],
    services: {},
    pressure: { refusesMail: () => false, refusesDisk: () => false, levels: () => ({}) },
  } as unknown as ReceiveDeps;
  const { signal } = new AbortController();
  const listener = { name: "internet", kind: "internet", hostname: "mx.example.org" } as const;
  const session = await createReceiver(deps).connect(
    { ip: "192.0.2.1", port: 1, listener },
    signal,
  );
  assert.ok("mail" in session);
  await session.helo({ verb: "EHLO", name: "friend.test", tls: null }, signal);
  const sender = toAddress("carol@friend.test");
  const mail = await session.mail(sender, { body: "7bit", smtputf8: false }, signal);
  assert.ok("rcpt" in mail);
  for (const spoken of to)
    assert.equal((await mail.rcpt({ address: toAddress(spoken) }, signal)).code, 250);
  const sink = await mail.data(signal);
  assert.ok("write" in sink);
  await sink.write(Buffer.from(SIMPLE_MESSAGE));
  const reply = await sink.end();
  await waitUntil(
    () => "the message stays in memory",
    () => (messages.memoryBytes() === 0 ? true : undefined),
  );
  return { ...keepers, reply, records };
}

const EVERYONE = ["a@one.test", "b@one.test", "c@two.test", "d@held.test"];
const fate = fc.constantFrom<RecipientFate["kind"]>("accepted", "refused", "later");
const leg = fc.record({
  ending: fc.constantFrom<Ending>("answered", "answered", "unsent", "uncertain", "bug"),
  isLate: fc.boolean(),
});
const usually = fc.constantFrom(true, true, false);
const world: fc.Arbitrary<World> = fc.record({
  fates: fc.record(Object.fromEntries(EVERYONE.map((address) => [address, fate]))),
  legs: fc.record({ first: leg, second: leg }),
  spool: usually,
  quarantine: usually,
  settle: usually,
});

test("250 is said only when every copy is at the hub, in the spool or in quarantine", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.subarray(EVERYONE, { minLength: 1 }), async (world, to) => {
      const { reply, everyone } = await receive(world, to);
      if (reply.code === 250) assert.deepEqual(everyone(), new Set(to));
    }),
    { numRuns: 400 },
  );
});

test("after a refusal for good nobody has a copy, and after any refusal none is held", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.subarray(EVERYONE, { minLength: 1 }), async (world, to) => {
      const { reply, kept, everyone } = await receive(world, to);
      if (reply.code >= 500) assert.deepEqual(everyone(), new Set());
      if (reply.code >= 400) assert.deepEqual(kept.held, new Map());
    }),
    { numRuns: 400 },
  );
});

test("a blind copy is due once when a recipient it belongs to is relayed, and gone after a refusal", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.subarray(EVERYONE, { minLength: 1 }), async (world, to) => {
      const { reply, kept } = await receive(world, to);
      const isCopied = to.includes("c@two.test") || to.includes("b@one.test");
      const due = reply.code === 250 && isCopied ? ["due"] : [];
      assert.deepEqual([...kept.copies.values()], due);
      if (isCopied && !world.spool) assert.deepEqual([reply.code, kept.hub], [452, []]);
    }),
    { numRuns: 400 },
  );
});

test("every ending of data is told once, under the reference that the client got", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.subarray(EVERYONE, { minLength: 1 }), async (world, to) => {
      const { reply, records } = await receive(world, to);
      assert.equal(records.length, 1);
      assert.ok(reply.text.includes(`(ref ${records[0]?.id})`), reply.text);
      assert.ok(records[0]?.reply.startsWith(String(reply.code)));
      assert.equal(records[0]?.via !== null, reply.code === 250);
    }),
    { numRuns: 400 },
  );
});

test("a bug while a message is carried out ends the session with 421 and keeps nothing", async () => {
  const broken = { ending: "bug", isLate: false } as const;
  const legs = { first: broken, second: broken };
  const bad: World = { fates: {}, legs, spool: true, quarantine: true, settle: true };
  const { reply, records, everyone } = await receive(bad, ["a@one.test", "d@held.test"]);
  assert.deepEqual([reply.code, reply.status, reply.close], [421, "3.0", true]);
  assert.deepEqual([records[0]?.action, records[0]?.cause], ["defer", "internal-error"]);
  assert.deepEqual(everyone(), new Set());
});
