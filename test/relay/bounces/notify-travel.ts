import type { TestContext } from "node:test";
import type { EnvelopeRecipient } from "../../../src/mail/envelope.ts";
import type { NewSpoolItem } from "../../../src/spool/spool.ts";
import { afterwards } from "../../support/afterwards.ts";
import { toBytesSource } from "../../support/bytes-source.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { type BenchOptions, openRelayBench, type RelayBench } from "../../support/relay-bench.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../../support/scripted-hub.ts";
import { toSpoolItem } from "../../support/spool-item.ts";

// Time travel through the whole relay: what a sender is told while the hub is away, and when.

export const SOURCE = toBytesSource("From: s\r\nSubject: hello\r\n\r\nbody\r\n");
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** So that five days do not take long. */
export const SELDOM = { retryFirstSeconds: 43_200, retryMaxSeconds: 43_200 };
export type Notify = EnvelopeRecipient["notify"];

export interface Travel {
  readonly clock: FakeClock;
  readonly hub: ScriptedHub;
  readonly bench: RelayBench;
  /** Since the start, in milliseconds. */
  readonly age: () => number;
  /** Kinds of what was told to the sender, in order. */
  readonly told: () => readonly string[];
}

/** A hub that answers 450 for x.test until `backAfterMs`, and takes what goes to the sender. */
export async function travel(
  t: TestContext,
  backAfterMs: number,
  { capabilities, limits }: Pick<HubOptions, "capabilities"> & Pick<BenchOptions, "limits"> = {},
): Promise<Travel> {
  const clock = createFakeClock();
  const start = clock.now();
  const age = () => clock.now() - start;
  const script: HubOptions["script"] = ({ step, line }) =>
    step === "rcpt" && line.includes("@x.test") && age() < backAfterMs
      ? "450 4.3.2 down for repairs"
      : undefined;
  const hub = await startScriptedHub({ script, ...(capabilities && { capabilities }) });
  afterwards(t, () => hub.close());
  const bench = await openRelayBench(t, { hubs: [hub], clock, ...(limits && { limits }) });
  bench.relay.start();
  return { clock, hub, bench, age, told: () => toldIn(bench) };
}

export const TELLING = new Set(["bounced", "told-of-delay", "told-of-relay"]);

export function toldIn({ facts }: RelayBench): readonly string[] {
  return facts.map(({ kind }) => kind).filter((kind) => TELLING.has(kind));
}

export async function addMail(
  { bench, clock }: Pick<Travel, "bench" | "clock">,
  change: Partial<NewSpoolItem> & { readonly notify?: Notify; readonly text?: string } = {},
): Promise<NewSpoolItem> {
  const { notify, text, ...rest } = change;
  const item = toSpoolItem(clock, ["a@x.test"], { senderAuthenticated: true, ...rest });
  const recipients = item.envelope.recipients.map((one) => ({ ...one, ...(notify && { notify }) }));
  const made = { ...item, envelope: { ...item.envelope, recipients } };
  await bench.spool.add(made, text === undefined ? SOURCE : toBytesSource(text));
  bench.relay.wake();
  return made;
}
