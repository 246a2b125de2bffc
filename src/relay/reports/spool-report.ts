import { hash } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Ids } from "../../base/ids.ts";
import type { Json } from "../../base/json.ts";
import type { Address } from "../../mail/address.ts";
import type { Fact, TransactionRecord } from "../../pipeline/facts.ts";
import type { Routing } from "../../policy/snapshot.ts";
import type { Spool } from "../../spool/spool.ts";
import { toMemorySource } from "../bounces/memory-source.ts";
import type { SignOwnMail } from "../mail-signer.ts";

export interface SpoolReportDeps {
  readonly routing: () => Routing;
  readonly spool: Pick<Spool, "add">;
  /** Puts our signature under it: many receivers take no other report. */
  readonly signOwnMail: SignOwnMail;
  /** Something was added to the spool. */
  readonly wake: () => void;
  /** To tracking, so that a report is found and explained like other mail. */
  readonly record: (fact: Fact) => void;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly hostname: string;
}

export interface ReportOrder {
  readonly from: Address;
  readonly to: Address;
  readonly subject: string;
  readonly messageId: string;
  /** The whole message. */
  readonly bytes: Buffer;
  /** It goes also where DANE or MTA-STS would not let mail go. */
  readonly ignoresTlsPolicies: boolean;
  /** What `explain` tells of it. */
  readonly about: { readonly kind: string; readonly [key: string]: Json };
}

/** Through our own relay. Rejects when nobody takes mail for that domain, or the disk is full. */
export async function spoolReport(deps: SpoolReportDeps, order: ReportOrder): Promise<void> {
  const { clock, ids, routing } = deps;
  const { from, to, bytes, ignoresTlsPolicies } = order;
  if (!routing().route(to.domain)) throw new Error(`no connector takes mail to ${to.domain}`);
  const transactionId = ids.transaction();
  const now = clock.now();
  await deps.spool.add(
    {
      transactionId,
      envelope: {
        sender: from,
        recipients: [{ address: to }],
        mail: { body: "7bit", smtputf8: false },
      },
      // Ours: a bounce goes to whoever answers for the reports.
      senderAuthenticated: true,
      needs: { eightBitMime: false, smtpUtf8: false },
      ...(ignoresTlsPolicies && { ignoresTlsPolicies }),
      receivedAt: now,
      dueAt: now,
      reason: `a ${order.about.kind} report`,
    },
    await deps.signOwnMail(toMemorySource(bytes)),
  );
  const record = toRecord(deps, order, transactionId, now);
  deps.record({ kind: "decided", at: now, record });
  deps.wake();
}

/** As of mail that a hub of ours sent: nobody judged it. */
function toRecord(
  { ids, hostname }: SpoolReportDeps,
  { from, to, subject, messageId, bytes, about }: ReportOrder,
  id: TransactionRecord["id"],
  now: number,
): TransactionRecord {
  const relayed = { action: "relay", cause: null, reply: "" } as const;
  return {
    id,
    sessionId: ids.session(),
    receivedAt: now,
    decidedAt: now,
    policyVersion: "none",
    client: { ip: "127.0.0.1", port: 0 },
    listener: { name: "reports", kind: "hub", hostname },
    helo: { verb: "EHLO", name: hostname },
    tls: null,
    pipeline: "outbound",
    sender: from.spoken,
    recipients: [{ ...relayed, address: to.spoken }],
    message: {
      size: bytes.length,
      sha256: hash("sha256", bytes),
      messageId: `<${messageId}>`,
      subject,
      from: from.spoken,
    },
    reports: [
      {
        stage: "report",
        phase: "data",
        outcome: "judged",
        ms: 0,
        evidence: about,
        verdict: { kind: "neutral", findings: [] },
        mode: "enforce",
        trustable: false,
        essential: false,
        canTrust: false,
      },
    ],
    seed: "",
    ...relayed,
    stage: null,
    score: 0,
    scl: 0,
    via: "spool",
  };
}
