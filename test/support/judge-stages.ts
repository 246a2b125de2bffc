import type { Clock } from "../../src/base/clock.ts";
import { parseMailbox } from "../../src/mail/address.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import type { Message } from "../../src/mail/message.ts";
import { createLookupScope, type Resolver } from "../../src/net/resolver.ts";
import type { Phase, StageReport } from "../../src/pipeline/report.ts";
import { runPhase } from "../../src/pipeline/run-phase.ts";
import type { BoundStage, DataFacts, MailFacts } from "../../src/pipeline/stage.ts";
import { openTaps } from "../../src/pipeline/tap-set.ts";
import type { ExceptionServices } from "../../src/stages/access/exception-book.ts";
import { fromAccessStage } from "../../src/stages/access/from-access.ts";
import { senderAccessStage } from "../../src/stages/access/sender-access.ts";
import { spfAccessStage } from "../../src/stages/access/spf-access.ts";
import { arcStage } from "../../src/stages/arc.ts";
import { dkimStage } from "../../src/stages/dkim.ts";
import { dmarcStage } from "../../src/stages/dmarc.ts";
import { fromStage } from "../../src/stages/from/from.ts";
import { senderDomainStage } from "../../src/stages/sender-domain.ts";
import { senderIdStage } from "../../src/stages/sender-id.ts";
import { spfStage } from "../../src/stages/spf.ts";
import { toBytesSource } from "./bytes-source.ts";
import { createFakeClock } from "./fake-clock.ts";
import { noExceptions } from "./no-exceptions.ts";

export interface JudgedMail {
  readonly message: string;
  /** Default: a client that nobody's SPF permits. */
  readonly ip?: string;
  readonly helo?: string;
  /** Null: the null sender. */
  readonly sender?: string | null;
  readonly resolver: Pick<Resolver, "lookup">;
  readonly queries?: number;
  readonly chunkBytes?: number;
  readonly relay?: MailFacts["relay"];
  readonly isOurs?: (domain: string) => boolean;
  /** By stage, before the schema. */
  readonly options?: Readonly<Record<string, object>>;
  /** All stages about the sender, in the steps of the shipped policy; default: the oldest four. */
  readonly all?: boolean;
  /** Reports of stages that are not run here. */
  readonly reports?: readonly StageReport[];
}

interface Services extends ExceptionServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

export const JUDGED_AT = Date.UTC(2026, 0, 1);

/** Runs spf, dkim, from and dmarc as the gateway does, or `all` of them; one report each. */
export async function judgeSender(mail: JudgedMail): Promise<readonly StageReport[]> {
  const { signal } = new AbortController();
  const clock = createFakeClock();
  const resolver: Resolver = {
    lookup: mail.resolver.lookup,
    networkQueries: () => 0,
    close() {},
  };
  const services = { resolver, clock, exceptions: noExceptions() };
  const dns = createLookupScope(signal, mail.queries);
  const facts = toFacts(mail);
  const run = { services, clock, signal };
  const { early, late } = stepsOf(mail);
  const before = await runPhase({
    phase: { budgetMs: 8000, steps: early },
    view: { ...facts, dns },
    ...run,
  });
  const steps = late;
  const phase = { budgetMs: 60_000, steps };
  const message = toMessage(mail);
  const reports = [...facts.reports, ...before];
  const view = { ...facts, reports, message, dns };
  const taps = openTaps(phase, (stage) => stage.tap?.(view, services, signal) ?? null, clock);
  for await (const chunk of message.read()) await taps.write(chunk);
  const tapped = (stage: BoundStage<"data", Services>, limit: AbortSignal) =>
    taps.evidence(stage, message, limit);
  return [...reports, ...(await runPhase({ phase, view, tapped, ...run }))];
}

function stepsOf(mail: JudgedMail) {
  const early = (stage: Parameters<typeof bind>[1]) => bind("mail", stage, mail);
  const late = (stage: Parameters<typeof bind>[1]) => bind("data", stage, mail);
  if (mail.all !== true)
    return {
      early: [[early(spfStage)]],
      late: [[late(dkimStage)], [late(fromStage)], [late(dmarcStage)]],
    };
  return {
    early: [
      [early(senderAccessStage)],
      [early(spfStage), early(senderDomainStage)],
      [early(spfAccessStage)],
    ],
    late: [
      [late(dkimStage)],
      [late(fromStage), late(fromAccessStage)],
      [late(arcStage)],
      [late(dmarcStage)],
      [late(senderIdStage)],
    ],
  };
}

function bind<P extends Phase>(
  _phase: P,
  stage: {
    readonly name: string;
    readonly options: { parse(value: unknown): unknown };
    bind(options: unknown, placement: object): unknown;
  },
  { options = {}, isOurs }: JudgedMail,
): BoundStage<P, Services> {
  const parsed = stage.options.parse(options[stage.name] ?? {});
  return stage.bind(parsed, { mode: "enforce", isOurs }) as BoundStage<P, Services>;
}

function toFacts(mail: JudgedMail): DataFacts {
  const { ip = "198.51.100.66", helo = "client.evil.test", sender = "x@evil.test" } = mail;
  return {
    client: { ip, port: 40000 },
    listener: { name: "internet", kind: "internet", hostname: "gw.example.net" },
    receivedAt: JUDGED_AT,
    seed: "seed",
    reports: mail.reports ?? [],
    helo: { verb: "EHLO", name: helo },
    tls: null,
    relay: mail.relay ?? null,
    sender: sender === null ? null : parseMailbox(sender),
    mail: { body: "7bit", smtputf8: false },
    recipients: [],
  };
}

function toMessage({ message, chunkBytes }: JudgedMail): Message {
  const bytes = Buffer.from(message, "latin1");
  const source = toBytesSource(bytes, chunkBytes);
  return {
    ...source,
    sha256: "",
    headers: parseHeaderBlock(bytes),
    bodyOffset: bytes.indexOf("\r\n\r\n") + 4,
    has8bitHeader: false,
    has8bitBody: false,
    dispose: async () => {},
  };
}

/** The report of one stage. */
export function reportOf(reports: readonly StageReport[], stage: string): StageReport {
  const found = reports.find((report) => report.stage === stage);
  if (!found) throw new Error(`no report of ${stage}`);
  return found;
}
