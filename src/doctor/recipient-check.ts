import { randomBytes } from "node:crypto";
import { parseMailbox } from "../mail/address.ts";
import type { AcceptedDomain } from "../policy/snapshot.ts";
import type { ProbeAnswer, RecipientProbe } from "../stages/domains/recipient-probe.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";

export interface RecipientCheckInput {
  readonly domains: readonly AcceptedDomain[];
  readonly recipientProbe: RecipientProbe;
  readonly now: number;
}

/** For all questions to one hub together; a probe has limits of its own. */
const PATIENCE_MS = 30_000;

/** Whether we know who exists: hubs that are asked must refuse nobody-at-all, and lists be fresh. */
export function recipientCheck({ domains, recipientProbe, now }: RecipientCheckInput): DoctorCheck {
  const look = async (domain: AcceptedDomain): Promise<readonly Finding[]> => {
    const { name, recipients } = domain;
    if (recipients.kind === "call-out") return [await askForNobody(domain, recipientProbe)];
    const age = recipients.kind === "list" ? recipients.age : undefined;
    if (recipients.kind !== "list" || !age) return [];
    const made = new Date(age.madeAt).toISOString();
    const isStale = now > age.freshUntil;
    const detail = `${recipients.from} was made ${made}${isStale ? " and is stale" : ""}`;
    return [{ subject: name, status: isStale ? "warn" : "ok", detail }];
  };
  return {
    name: "recipients",
    run: async () => (await Promise.all(domains.map(look))).flat(),
  };
}

async function askForNobody(
  { name, recipients }: AcceptedDomain,
  recipientProbe: RecipientProbe,
): Promise<Finding> {
  // Of a wildcard any subdomain will do.
  const domain = name.replace(/^\*/, "postern-probe");
  const nobody = parseMailbox(`postern-probe-${randomBytes(9).toString("hex")}@${domain}`);
  if (!nobody) return { subject: name, status: "fail", detail: "no address can be made of it" };
  const rules = recipients.kind === "call-out" ? recipients.rules : undefined;
  const answer = await recipientProbe.probe(nobody, AbortSignal.timeout(PATIENCE_MS), rules);
  return { subject: name, ...judge(answer) };
}

function judge({ kind, reply }: ProbeAnswer): Omit<Finding, "subject"> {
  const said = reply === undefined ? "" : `: ${reply}`;
  switch (kind) {
    case "refused":
      return { status: "ok", detail: `the hub refuses who does not exist${said}` };
    case "accepted": {
      const detail = `the hub takes who cannot exist${said}; turn on recipient validation there, or use a list`;
      return { status: "warn", detail };
    }
    case "later":
      return { status: "warn", detail: `the hub would not say whether somebody exists${said}` };
    case "unknown":
    case "limited":
      return { status: "fail", detail: `the hub could not be asked${said}` };
  }
}
